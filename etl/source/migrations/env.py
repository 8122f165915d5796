"""Alembic's entry to the revisions of the pending table."""

from etl.database.migrate import run_in_environment

run_in_environment()

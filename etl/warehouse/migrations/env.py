"""Alembic's entry to the revisions of the warehouse."""

from etl.database.migrations import run_in_environment

run_in_environment()

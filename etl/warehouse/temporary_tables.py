"""The temporary tables of a load and of a question."""

from sqlalchemy import Column, MetaData, Table, Text

from etl.database.types import UtcDateTime
from etl.warehouse.tables import KEY, dead_letter, described

stage_facts = Table(
    "stage_facts",
    MetaData(),
    *described(),
    Column("observed_at", UtcDateTime, nullable=False),
    prefixes=["TEMPORARY"],
)
"""The staging table of one batch, with one normalized row per task. DuckDB reads the frame in memory instead."""

stage_dead_letters = Table(
    "stage_dead_letters",
    MetaData(),
    *(
        Column(column.name, column.type, primary_key=column.primary_key, nullable=column.nullable)
        for column in dead_letter.c
    ),
    prefixes=["TEMPORARY"],
)
"""The staging table of the dead letters of one batch."""

queue_state = Table(
    "queue_state",
    MetaData(),
    Column("task_id", KEY, primary_key=True),
    Column("state", Text, nullable=False),
    prefixes=["TEMPORARY"],
)
"""A copy of the pending table for one question to the warehouse."""

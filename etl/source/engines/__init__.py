"""The statements of the pending table that differ between engines: one file for each engine that can hold it."""

from sqlalchemy import Connection, Dialect

from etl.source.engines.base import QueueSql
from etl.source.engines.mysql import MySQLQueue
from etl.source.engines.postgresql import PostgreSQLQueue
from etl.source.engines.sqlite import SQLiteQueue

QUEUES: dict[str, QueueSql] = {"sqlite": SQLiteQueue(), "postgresql": PostgreSQLQueue(), "mysql": MySQLQueue()}
"""The statements by the name of an engine, which ``holds_queue``."""


def queue_sql_of(database: Connection | Dialect) -> QueueSql:
    """Return the statements for the engine of a database.

    Raises:
        KeyError: the engine cannot hold the pending table.
    """
    dialect = database if isinstance(database, Dialect) else database.dialect
    return QUEUES[dialect.name]

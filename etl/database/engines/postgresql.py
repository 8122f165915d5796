"""PostgreSQL: a server, with advisory locks, COPY and time zones."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zlib import crc32

import sqlalchemy as sa
from sqlalchemy import URL, Connection, Table, event, func, select, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.schema import CreateTable

from etl.database.engines.base import CONNECT_TIMEOUT_SECONDS, MIGRATION_LOCK, Engine
from etl.database.error_map import Fault
from etl.database.keepalive import IDLE_SECONDS, MAX_PROBES, PROBE_SECONDS
from etl.errors import ConfigurationError, StoppedError, TransientError, UnavailableError

if TYPE_CHECKING:
    import polars as pl

LOCK_WAIT_SECONDS = 300
"""The holder of a server's lock is at work, for example in a long migration."""
MAX_PAUSE_SECONDS = 60
"""The longest pause between two statements of a transaction; it takes milliseconds while the client lives."""

KEEPALIVES = {
    "keepalives_idle": IDLE_SECONDS,
    "keepalives_interval": PROBE_SECONDS,
    "keepalives_count": MAX_PROBES,
}

FAULTS: dict[str, Fault] = {
    "08": TransientError,  # connection exception
    "25006": UnavailableError,  # read-only transaction: a standby after a failover
    "28": ConfigurationError,  # invalid authorization
    "3D000": ConfigurationError,  # no such database
    "3F000": ConfigurationError,  # no such schema
    "40": TransientError,  # serialization failure, deadlock
    "42501": ConfigurationError,  # insufficient privilege
    "42703": ConfigurationError,  # no such column
    "42P01": ConfigurationError,  # no such table
    "53": UnavailableError,  # insufficient resources: disk full, out of memory
    "53300": TransientError,  # too many connections
    "55P03": StoppedError,  # lock not available
    "57": UnavailableError,  # operator intervention: query canceled, database dropped
    "57P01": TransientError,  # shutdown, or a terminated backend
    "57P02": TransientError,  # the server crashed
    "57P03": TransientError,  # the server is starting up, or shutting down
    "58": UnavailableError,  # system error
}
"""The faults by SQLSTATE, whole or its class (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""

LASTING_CONNECTION_ERRORS = (
    "bad value for",
    "does not exist",
    "invalid connection option",
    "invalid sslmode value",
    "is not permitted to log in",
    "no password supplied",
    "no pg_hba.conf entry",
    "password authentication failed",
)
"""Phrases of connection errors that another attempt will meet again; the driver keeps no SQLSTATE of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgreSQL(Engine):
    """The engine for which SQL in common files is written."""

    def connect_options(self, url: URL) -> dict[str, Any]:
        """Return the arguments of the driver that the URL does not give."""
        arguments = {"application_name": "task-audit", "connect_timeout": CONNECT_TIMEOUT_SECONDS, **KEEPALIVES}
        return {"connect_args": {key: value for key, value in arguments.items() if key not in url.query}}

    def set_up(self, engine: sa.Engine, *, schema: str | None, create: bool) -> None:
        """Keep UTC, bound what others wait for, and search the schema first."""

        def set_up(connection: DBAPIConnection, _record: object) -> None:
            cursor = connection.cursor()
            cursor.execute("SET TIME ZONE 'UTC'")
            # The server notices a client that was cut off after hours; its locks would stop every run until then.
            cursor.execute(f"SET idle_in_transaction_session_timeout = '{MAX_PAUSE_SECONDS}s'")
            cursor.execute(f"SET lock_timeout = '{LOCK_WAIT_SECONDS}s'")
            if schema:
                # The rest of the path stays: the pending table may live in another schema of the same database.
                path = "SELECT set_config('search_path', %s || ', ' || current_setting('search_path'), false)"
                cursor.execute(path, (f'"{schema}"',))
            cursor.close()
            connection.commit()

        event.listen(engine, "connect", set_up)

    def fault_of(self, error: BaseException) -> Fault | None:
        """Look up the SQLSTATE; a connection that could not be made, or was lost, has none."""
        if not type(error).__module__.startswith("psycopg"):
            return None
        sqlstate: str | None = getattr(error, "sqlstate", None)
        if sqlstate is not None:
            return FAULTS.get(sqlstate) or FAULTS.get(sqlstate[:2])
        if any(phrase in str(error) for phrase in LASTING_CONNECTION_ERRORS):
            return ConfigurationError
        return TransientError if type(error).__name__ in {"OperationalError", "ConnectionTimeout"} else None

    def lock_migrations(self, connection: Connection) -> None:
        """Take an advisory lock, which the end of the transaction releases."""
        connection.execute(text(f"SELECT pg_advisory_xact_lock(hashtext('{MIGRATION_LOCK}'))"))

    def lock_loads(self, connection: Connection, *, schema: str | None, version_table: str) -> None:
        """Take an advisory lock, which the end of the transaction releases."""
        turn = crc32(f"task-audit load {schema}".encode())
        connection.execute(select(func.pg_advisory_xact_lock(turn)))

    @contextmanager
    def staged(self, connection: Connection, rows: "pl.DataFrame", table: Table) -> Iterator[None]:
        """Copy the rows into a temporary table, and analyze it."""
        connection.execute(CreateTable(table, if_not_exists=True))
        cursor: Any = connection.connection.cursor()
        try:
            with cursor.copy(f"COPY {table.name} ({', '.join(rows.columns)}) FROM STDIN (FORMAT csv)") as copy:
                # For polars and PostgreSQL alike, an unquoted empty field is null, and a quoted one is empty text.
                copy.write(rows.write_csv(include_header=False))
        except connection.dialect.loaded_dbapi.Error as error:
            # SQLAlchemy has no COPY, so its events do not see this error.
            raise self.translate(error, database="the warehouse") or error from error
        # Without statistics the planner joins a large batch by nested loops.
        connection.exec_driver_sql(f"ANALYZE {table.name}")
        yield

    def rows_of_json(self, bind: str, column: str) -> str:
        """Return a SELECT of the array's elements as text."""
        return f"SELECT json_array_elements_text(CAST(:{bind} AS JSON)) AS {column}"


POSTGRESQL = PostgreSQL(
    name="postgresql",
    driver="postgresql+psycopg",
    aliases=("postgres", "postgresql"),
    extra="postgresql",
    port=5432,
    lineage_scheme="postgres",
    now_sql="clock_timestamp()",
    zone_sql="(SELECT reset_val FROM pg_settings WHERE name = 'TimeZone')",
)

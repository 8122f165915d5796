"""DuckDB: a file that one process at a time opens; it reads frames in place."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import Connection, Dialect, Table, event
from sqlalchemy.engine.interfaces import DBAPIConnection

from etl.database.engines.base import Engine
from etl.database.error_map import Fault, first_line
from etl.errors import ConfigurationError, StoppedError, UnavailableError

if TYPE_CHECKING:
    import polars as pl
    from tenacity import RetryCallState

LOCK_WAIT_SECONDS = 30.0
"""The longest wait for another process that holds the file."""
LOCK_POLL_SECONDS = 0.5

SETTINGS = (
    "TimeZone = 'UTC'",
    "autoinstall_known_extensions = false",
    "autoload_known_extensions = false",
    "allow_community_extensions = false",
    "enable_external_access = false",
)
"""The settings of a connection. A view in the file runs as the job, so it must not read other files of this machine or
load programs: DuckDB reads and writes only its file, the log beside it, and its temporary folder."""

FAULTS: dict[str, Fault] = {
    "BinderException": ConfigurationError,
    "CatalogException": ConfigurationError,
    "ConnectionException": UnavailableError,
    # The file could not be written to, and the database refuses every statement until it is opened again.
    "FatalException": UnavailableError,
    "IOException": UnavailableError,
    "OutOfMemoryException": UnavailableError,
    # A view needs another file or an extension, which the settings of the connection forbid.
    "PermissionException": ConfigurationError,
    # It is raised by the commit; the statements before it had no other writer to meet.
    "TransactionException": UnavailableError,
}
"""The faults by the name of the exception."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DuckDB(Engine):
    """The engine of the embedded default of the warehouse."""

    def set_up(self, engine: sa.Engine, *, schema: str | None, create: bool, finds_tables: bool) -> None:
        """Wait for the file, keep UTC, leave other files alone, and use the schema."""

        def set_up(connection: DBAPIConnection, _record: object) -> None:
            cursor = connection.cursor()
            for setting in SETTINGS:
                cursor.execute(f"SET {setting}")
            if schema:
                cursor.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
                cursor.execute(f'USE "{schema}"')
            cursor.close()

        event.listen(engine, "do_connect", _connect_when_free)
        event.listen(engine, "connect", set_up)

    def fault_of(self, error: BaseException) -> Fault | None:
        """Look up the exception's name; the error of a locked file has no name of its own."""
        if "duckdb" not in type(error).__module__:
            return None
        return StoppedError if "Could not set lock" in str(error) else FAULTS.get(type(error).__name__)

    def register_ddl(self) -> None:
        """Name the dialect to Alembic, whose own SQL suits DuckDB."""
        from alembic.ddl.impl import DefaultImpl

        class DuckDBImpl(DefaultImpl):
            __dialect__ = "duckdb"
            transactional_ddl = True

    @contextmanager
    def staged(self, connection: Connection, rows: "pl.DataFrame", table: Table) -> Iterator[None]:
        """Copy the frame into a temporary table, which a rollback also drops.

        If pyarrow is installed, DuckDB lets it filter a frame that it scans where it is, and pyarrow cannot compare
        the texts of polars.
        """
        driver: Any = connection.connection.driver_connection
        frame = f"{table.name}_frame"
        driver.register(frame, _ArrowStream(rows))
        try:
            connection.exec_driver_sql(f"CREATE TEMP TABLE {table.name} AS FROM {frame}")
        finally:
            driver.unregister(frame)
        yield
        connection.exec_driver_sql(f"DROP TABLE temp.{table.name}")

    def rows_of_json(self, bind: str, column: str) -> str:
        """Return a SELECT of the array, unnested."""
        return f"SELECT unnest(CAST(CAST(:{bind} AS JSON) AS TEXT[])) AS {column}"


class _ArrowStream:
    """Shows DuckDB a frame by the Arrow stream alone, so that it need not import pyarrow to read it."""

    def __init__(self, frame: "pl.DataFrame") -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


def _connect_when_free(dialect: Dialect, _record: object, arguments: Any, options: dict[str, Any]) -> Any:
    """Connect to a file that another process may hold; DuckDB does not wait by itself."""
    from tenacity import Retrying, retry_if_exception_message, stop_after_delay, wait_fixed

    connecting = Retrying(
        retry=retry_if_exception_message(match=r"(?s).*Could not set lock"),
        wait=wait_fixed(LOCK_POLL_SECONDS),
        stop=stop_after_delay(LOCK_WAIT_SECONDS),
        before_sleep=_log_wait,
        reraise=True,
    )
    return connecting(dialect.connect, *arguments, **options)


def _log_wait(state: "RetryCallState") -> None:
    import structlog

    if state.attempt_number == 1 and state.outcome is not None:
        log: structlog.stdlib.BoundLogger = structlog.get_logger()
        log.info("waiting_for_lock", seconds=LOCK_WAIT_SECONDS, said=first_line(state.outcome.exception()))


DUCKDB = DuckDB(name="duckdb", driver="duckdb", is_file=True, holds_queue=False)

"""DuckDB: a file that one process opens to write, or several to read."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import URL, Connection, Dialect, Table, event
from sqlalchemy.engine.interfaces import DBAPIConnection

from etl.database.engines.base import Rows
from etl.database.engines.files import FileEngine
from etl.database.error_map import Fault
from etl.error_codes import Code
from etl.errors import ConfigurationError, StoppedError, UnavailableError

if TYPE_CHECKING:
    from tenacity import RetryCallState

LOCK_WAIT_SECONDS = 30.0
"""The longest wait for another process that holds the file."""
LOCK_POLL_SECONDS = 0.5

COPY_BUFFER_BYTES = 1 << 20

SETTINGS = (
    "TimeZone = 'UTC'",
    "autoinstall_known_extensions = false",
    "autoload_known_extensions = false",
    "allow_community_extensions = false",
    "enable_external_access = false",
)
"""The settings of a connection. A view in the file runs as the job, so it must not read other files of this machine or
load programs: DuckDB reads and writes only its file, the log beside it, and its temporary folder."""

WRITER = {
    "threads": 1,
    "default_block_size": 65_536,
    "checkpoint_threshold": "4MB",
    "allocator_bulk_deallocation_flush_threshold": "2MB",
}
"""The settings of a run's connection.

A second thread makes a load of 5,000 facts no faster, into an empty warehouse or beside a million facts, and takes a
tenth to a third more processor time. A new file has a quarter of the usual blocks: a run of 500,000 tasks took 233
MiB with them and 248 with the usual ones. It took 255 with the smallest, in which DuckDB compresses no numbers and
times. A file keeps the size of blocks that it was made with. DuckDB holds what its log has in memory: a log of 4 MB
instead of 16 keeps a run of 60,000 tasks 25 MiB smaller, and takes no more processor time beside 400,000 facts; a log
of 1 MB keeps a run of 500,000 tasks 9 MiB smaller still, and takes a twentieth more. Its allocator keeps what was
freed until 512 MB are freed at once; a threshold of 2 MB keeps a run of 200,000 tasks 40 to 50 MiB smaller. One of 1
MB saves no more, and costs a twentieth of the processor time; 4 MB saves 25 to 40. With a ``memory_limit`` of 32, 64
or 96 MB, a run of 100,000 tasks took 225 to 246 MiB, and 243 without.
Questions, which only read, use all processors.
"""

HAS_SCHEMA = (
    "SELECT 1 FROM duckdb_schemas() WHERE database_name = current_database() AND lower(schema_name) = lower($1)"
)

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


IS_LOCKED = "Could not set lock"

BY_PHRASE: dict[str, tuple[Fault, Code, str]] = {
    IS_LOCKED: (
        StoppedError,
        Code.DATABASE_LOCKED,
        (
            "Another program has it open, such as a notebook: run again when that is closed. A DuckDB file lets in one "
            "writer or several readers; people can read the copy that warehouse.read_copy names instead."
        ),
    ),
    "Out of Memory Error": (
        UnavailableError,
        Code.DATABASE_UNAVAILABLE,
        "Give the job more memory, and the folder of the DuckDB file more room; then run again. Nothing is lost.",
    ),
    "created with a newer version of DuckDB": (
        ConfigurationError,
        Code.DATABASE_NEWER,
        (
            "Restore the file from before, or copy it with the newer DuckDB into a file of the older format, as "
            "`task-audit explain database-newer` shows."
        ),
    ),
}
"""The fault, the code and the remedy of errors for which those of the class are too general."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DuckDB(FileEngine):
    """The engine of the embedded default of the warehouse."""

    def connect_options(self, url: URL, *, read_only: bool) -> dict[str, Any]:
        """Return the access: readers keep no other reader out, and keep only writers waiting."""
        return {"connect_args": {"read_only": True} if read_only else {"config": WRITER}}

    def set_up(self, engine: sa.Engine, *, schema: str | None, create: bool, finds_tables: bool) -> None:
        """Wait for the file, keep UTC, leave other files alone, and use the schema if there is one."""

        def set_up(connection: DBAPIConnection, _record: object) -> None:
            cursor = connection.cursor()
            for setting in SETTINGS:
                cursor.execute(f"SET {setting}")
            if schema and create:
                cursor.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
            if schema:
                cursor.execute(HAS_SCHEMA, (schema,))
                if cursor.fetchone():
                    cursor.execute(f'USE "{schema}"')
            cursor.close()

        event.listen(engine, "do_connect", _connect_when_free)
        event.listen(engine, "connect", set_up)

    @contextmanager
    def copying(self, file: Path, copy: Path) -> Iterator[None]:
        """Copy the bytes while the file is open for reading.

        Raises:
            OSError: the log holds what the file lacks.
            duckdb.Error: another program writes to the file.
        """
        import duckdb

        with duckdb.connect(str(file), read_only=True), file.open("rb") as source:
            log = file.with_name(file.name + self.log_suffixes[0])
            if log.exists():
                raise FileExistsError(f"{log} is not merged yet; the next command that writes does so")
            with copy.open("wb") as target:
                shutil.copyfileobj(source, target, COPY_BUFFER_BYTES)
            # DuckDB's lock on the file belongs to the process, which loses it as soon as it closes the file once.
            yield

    def fault_of(self, error: BaseException) -> Fault | None:
        """Look for the phrases, then for the exception's name."""
        if "duckdb" not in type(error).__module__:
            return None
        found = _by_phrase(error)
        return found[0] if found else FAULTS.get(type(error).__name__)

    def advice_on(self, error: BaseException) -> tuple[Code, str] | None:
        """Look for the phrases."""
        found = _by_phrase(error)
        return found[1:] if found else None

    def words_of(self, error: BaseException) -> str:
        """Leave out DuckDB's hint to open a locked file in read-only mode: the program has done so if it could."""
        # Explicit arguments: a dataclass with slots is another class than the one that super() remembers.
        return super(DuckDB, self).words_of(error).partition(". However, ")[0]

    def register_ddl(self) -> None:
        """Name the dialect to Alembic, whose own SQL suits DuckDB."""
        from alembic.ddl.impl import DefaultImpl

        class DuckDBImpl(DefaultImpl):
            __dialect__ = "duckdb"
            transactional_ddl = True

    @contextmanager
    def staged(self, connection: Connection, rows: Rows, table: Table) -> Iterator[None]:
        """Send the rows as one JSON document into a temporary table, which a rollback also drops.

        The driver takes 1,700 us a row for lists that it binds, and 5,000 us for a statement of its own. JSON takes 3
        to 6, as a frame of polars does from being made to being read. To extract each value by itself, DuckDB would
        parse a row once for each column, and take twice as long.
        """
        columns = ", ".join(
            f"CAST(line[{place}] AS {column.type.compile(connection.dialect)}) AS {column.name}"
            for place, column in enumerate(table.columns, start=1)
        )
        lines = "SELECT from_json(unnest(CAST($1 AS JSON[])), '[\"VARCHAR\"]') AS line"
        staging = f"CREATE TEMP TABLE {table.name} AS SELECT {columns} FROM ({lines})"  # noqa: S608 - our own names
        connection.exec_driver_sql(staging, (msgspec.json.encode(rows).decode(),))
        yield
        connection.exec_driver_sql(f"DROP TABLE temp.{table.name}")

    def rows_of_json(self, bind: str, column: str) -> str:
        """Return a SELECT of the array, unnested."""
        return f"SELECT unnest(CAST(CAST(:{bind} AS JSON) AS TEXT[])) AS {column}"


def _by_phrase(error: BaseException) -> tuple[Fault, Code, str] | None:
    return next((found for phrase, found in BY_PHRASE.items() if phrase in str(error)), None)


def _connect_when_free(dialect: Dialect, _record: object, arguments: Any, options: dict[str, Any]) -> Any:
    """Connect to a file that another process may hold; DuckDB does not wait by itself."""
    from tenacity import (
        Retrying,
        retry_if_exception_message,
        stop_after_attempt,
        stop_after_delay,
        stop_all,
        wait_fixed,
    )

    connecting = Retrying(
        retry=retry_if_exception_message(match=rf"(?s).*{IS_LOCKED}"),
        wait=wait_fixed(LOCK_POLL_SECONDS),
        # On a busy machine, the first attempt alone may take longer than the wait.
        stop=stop_all(stop_after_attempt(2), stop_after_delay(LOCK_WAIT_SECONDS)),
        before_sleep=_log_wait,
        reraise=True,
    )
    return connecting(dialect.connect, *arguments, **options)


def _log_wait(state: "RetryCallState") -> None:
    import structlog

    error = state.outcome.exception() if state.outcome else None
    if state.attempt_number == 1 and error is not None:
        log: structlog.stdlib.BoundLogger = structlog.get_logger()
        log.info("waiting_for_lock", seconds=LOCK_WAIT_SECONDS, said=DUCKDB.words_of(error))


DUCKDB = DuckDB(name="duckdb", driver="duckdb", log_suffixes=(".wal",), holds_queue=False)

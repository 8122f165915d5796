"""SQLite: a file, with one writer at a time, whose times are text."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import URL, Connection, Table, Text, delete, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.schema import CreateTable
from sqlalchemy.types import TypeEngine

from etl.database.engines.base import Rows, insert_rows, plain_text
from etl.database.engines.files import FileEngine
from etl.database.error_map import Fault
from etl.database.lock_holders import lock_holders_of
from etl.errors import ConfigurationError, StoppedError, UnavailableError

LOCK_WAIT_SECONDS = 30.0
"""The longest wait for another writer."""

LOCK_POLL_SECONDS = 0.05

FAULTS: dict[str, Fault] = {
    "SQLITE_BUSY": StoppedError,
    "SQLITE_LOCKED": StoppedError,
    "SQLITE_CANTOPEN": UnavailableError,
    "SQLITE_CORRUPT": UnavailableError,
    "SQLITE_FULL": UnavailableError,
    "SQLITE_IOERR": UnavailableError,
    "SQLITE_NOTADB": ConfigurationError,
    "SQLITE_PERM": UnavailableError,
    "SQLITE_READONLY": UnavailableError,
}
"""The faults by the name of the primary result code (https://www.sqlite.org/rescode.html)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SQLite(FileEngine):
    """The engine of the embedded default of the pending table."""

    def connect_options(self, url: URL, *, read_only: bool) -> dict[str, Any]:
        """Return the time that the driver waits for another writer."""
        return {"connect_args": {"timeout": LOCK_WAIT_SECONDS}}

    def set_up(self, engine: sa.Engine, *, schema: str | None, create: bool, finds_tables: bool) -> None:
        """Open every transaction explicitly, and make a committed one survive a power cut."""

        def set_up(connection: DBAPIConnection, _record: object) -> None:
            # The driver's implicit transactions are off: _begin opens every one.
            driver: Any = connection
            driver.isolation_level = None
            if create:
                # The mode stays with the file, so the program sets it only on a file of its own making.
                _write_ahead(driver)
            # With WAL, FULL is what keeps a committed transaction over a power cut.
            driver.execute("PRAGMA synchronous = FULL")

        event.listen(engine, "connect", set_up)
        event.listen(engine, "begin", _begin)

    @contextmanager
    def copying(self, file: Path, copy: Path) -> Iterator[None]:
        """Copy the pages of a snapshot; the copy has no log, so that readers need no right to write beside it.

        Raises:
            sqlite3.Error: another program writes to the file, or the copy cannot be written.
        """
        import sqlite3

        address = f"{file.absolute().as_uri()}?mode=rw"
        connect = partial(sqlite3.connect, uri=True, timeout=LOCK_WAIT_SECONDS, isolation_level=None)
        with closing(connect(address)) as lock, closing(connect(address)) as source:
            # SQLite copies nothing from the connection that holds the lock.
            lock.execute("BEGIN IMMEDIATE")
            with closing(sqlite3.connect(copy)) as target:
                source.backup(target)
                target.execute("PRAGMA journal_mode = DELETE")
            yield

    def fault_of(self, error: BaseException) -> Fault | None:
        """Look up the result code; a missing table or column has none of its own."""
        if type(error).__module__ != "sqlite3":
            return None
        if str(error).startswith(("no such table", "no such column")):
            return ConfigurationError
        name = getattr(error, "sqlite_errorname", "")
        return next((fault for code, fault in FAULTS.items() if name.startswith(code)), None)

    def lock_holders_of(self, file: str) -> str:
        """Name the processes that hold a lock on the file, which SQLite's message does not."""
        return lock_holders_of(file)

    def instant_type(self) -> TypeEngine[Any]:
        """Return text, since SQLite has no type for times."""
        return Text()

    def bind_instant(self, instant: datetime) -> str:
        """Write the instant as text that sorts."""
        return plain_text(instant)

    def create_view(self, connection: Connection, name: str, select: str) -> None:
        """Create a view again, since SQLite replaces none; it has no grants either."""
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")
        connection.exec_driver_sql(f"CREATE VIEW {name} AS\n{select}")

    @contextmanager
    def staged(self, connection: Connection, rows: Rows, table: Table) -> Iterator[None]:
        """Insert the rows into a temporary table, which stays with the connection."""
        connection.execute(CreateTable(table, if_not_exists=True))
        connection.execute(delete(table))
        insert_rows(connection, rows, table, mark="?")
        yield

    def rows_of_json(self, bind: str, column: str) -> str:
        """Return a SELECT by ``json_each``."""
        return f"SELECT value AS {column} FROM json_each(:{bind})"  # noqa: S608 - our own names

    def insert(self, table: Table) -> Any:
        """Return SQLite's own INSERT, which knows ON CONFLICT."""
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)


def _write_ahead(driver: Any) -> None:
    """Change the mode of the file, which SQLite refuses at once, without its wait, while another process writes."""
    from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

    changing = Retrying(
        retry=retry_if_exception(lambda error: getattr(error, "sqlite_errorname", "") == "SQLITE_BUSY"),
        wait=wait_fixed(LOCK_POLL_SECONDS),
        stop=stop_after_delay(LOCK_WAIT_SECONDS),
        reraise=True,
    )
    changing(driver.execute, "PRAGMA journal_mode = WAL")


def _begin(connection: Connection) -> None:
    # A reader that turns writer half-way can fail with SQLITE_BUSY at once, so writers lock at the start.
    reads_only = connection.get_execution_options().get("read_only", False)
    connection.exec_driver_sql(f"PRAGMA query_only = {int(reads_only)}")
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")


SQLITE = SQLite(
    name="sqlite",
    driver="sqlite",
    aliases=("sqlite+pysqlite",),
    log_suffixes=("-journal", "-wal", "-shm"),
    has_schemas=False,
    schema_refusal="SQLite has no schemas",
    now_sql="strftime('%Y-%m-%d %H:%M:%f', 'now')",
    has_comments=False,
    has_view_comments=False,
)

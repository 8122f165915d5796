"""Opens databases: one engine per URL, with each driver set up so that all of them keep time and transactions alike."""

import sqlite3
from pathlib import Path
from typing import Any

import structlog
from pydantic import SecretStr
from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import NoSuchModuleError
from tenacity import RetryCallState, Retrying, retry_if_exception_message, stop_after_delay, wait_fixed

from etl.database import mysql
from etl.database.error_map import error_translator, first_line
from etl.database.url import parse_database_url, render_url
from etl.errors import Code, ConfigurationError

LOCK_WAIT_SECONDS = 30.0
LOCK_POLL_SECONDS = 0.5
SERVER_LOCK_WAIT_SECONDS = 300
"""A server's locks are held by somebody who does something, such as a long migration."""
IDLE_SECONDS = 60
"""Between two statements of a transaction; it takes milliseconds as long as its client is there."""
CONNECT_TIMEOUT_SECONDS = 10

EXTRAS = {"mysql": "mysql", "postgresql": "postgresql"}
"""The optional extra that brings an engine's driver."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


def open_engine(url: SecretStr, *, name: str, schema: str | None = None, create: bool = False) -> Engine:
    """Make an engine; it connects when it is first used.

    Args:
        url: an SQLAlchemy URL of a supported engine.
        name: how to call the database in errors, for example "the warehouse".
        schema: found first when a table is named without a schema.
        create: whether a database file may be created.

    Raises:
        ConfigurationError: the driver is not installed, or the file does not exist and may not be created.
    """
    parsed = parse_database_url(url)
    if not create:
        _require_file(parsed, name)
    engine = _create_engine(parsed)
    event.listen(engine, "handle_error", error_translator(f"{name} ({render_url(parsed)})", file=parsed.database))
    match parsed.get_backend_name():
        case "sqlite":
            event.listen(engine, "connect", _set_up_sqlite(create=create))
            event.listen(engine, "begin", _begin_sqlite)
        case "duckdb":
            event.listen(engine, "do_connect", _wait_for_duckdb)
            event.listen(engine, "connect", _set_up_duckdb(schema))
        case "postgresql":
            event.listen(engine, "connect", _set_up_postgresql(schema))
        case "mysql":
            event.listen(engine, "connect", mysql.set_up)
            event.listen(engine, "begin", mysql.begin)
    return engine


def same_database(one: SecretStr, other: SecretStr) -> bool:
    """Say whether two URLs lead to one database as one user, so that one transaction can span both."""
    return _identity(parse_database_url(one)) == _identity(parse_database_url(other))


def _identity(url: URL) -> tuple[object, ...]:
    file = _file_of(url)
    # The query may name the host, the port or the user, too.
    where = tuple(sorted(url.query.items()))
    return (url.get_backend_name(), url.username, url.host, url.port, file.resolve() if file else url.database, where)


def _file_of(url: URL) -> Path | None:
    """Name the file of an embedded database; SQLite's own file: URIs are left to SQLite."""
    is_file = url.get_backend_name() in {"sqlite", "duckdb"} and "uri" not in url.query
    return Path(url.database or "") if is_file else None


def _require_file(url: URL, name: str) -> None:
    file = _file_of(url)
    if file and not file.exists():
        raise ConfigurationError(
            f"{name[0].upper()}{name[1:]} {url.database} does not exist.",
            code=Code.DATABASE_MISSING,
            remedy="Create it with `task-audit init`, or mend the URL.",
        )


def _create_engine(url: URL) -> Engine:
    try:
        return create_engine(url, **_engine_options(url))
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        engine = url.get_backend_name()
        raise ConfigurationError(
            f"The driver for {engine} is not installed ({error}).",
            code=Code.EXTRA_MISSING,
            remedy=f"Install it: pip install 'koodrive-task-audit[{EXTRAS.get(engine, engine)}]'.",
        ) from None


def _engine_options(url: URL) -> dict[str, Any]:
    match url.get_backend_name():
        case "sqlite":
            return {"connect_args": {"timeout": LOCK_WAIT_SECONDS}}
        case "postgresql":
            # Keepalives let a connection that a firewall forgot fail within a minute instead of hours.
            keepalives = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
            arguments = {"application_name": "task-audit", "connect_timeout": CONNECT_TIMEOUT_SECONDS, **keepalives}
            return {"connect_args": {key: value for key, value in arguments.items() if key not in url.query}}
        case "mysql":
            # Whatever the URL says: another character set would lose text.
            return {"connect_args": {"charset": "utf8mb4", "connect_timeout": CONNECT_TIMEOUT_SECONDS}}
        case _:
            return {}


def _set_up_sqlite(*, create: bool) -> Any:
    def set_up(connection: DBAPIConnection, _record: object) -> None:
        assert isinstance(connection, sqlite3.Connection)  # noqa: S101 - the dialect's own driver
        # The driver's implicit transactions are off: _begin_sqlite opens every one.
        connection.isolation_level = None
        if create:
            # The mode stays with the file, so it is written where the file is made: never to the user's own.
            connection.execute("PRAGMA journal_mode = WAL")
        # With WAL, FULL is what keeps a committed transaction over a power cut.
        connection.execute("PRAGMA synchronous = FULL")

    return set_up


def _begin_sqlite(connection: Connection) -> None:
    # A reader that turns writer half-way can fail with SQLITE_BUSY at once, so writers lock at the start.
    reads_only = connection.get_execution_options().get("read_only", False)
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")


def _wait_for_duckdb(dialect: Dialect, _record: object, arguments: Any, options: dict[str, Any]) -> Any:
    """Connect to a file that another process may hold: DuckDB lets in one at a time, and does not wait by itself."""
    connecting = Retrying(
        retry=retry_if_exception_message(match=r"(?s).*Could not set lock"),
        wait=wait_fixed(LOCK_POLL_SECONDS),
        stop=stop_after_delay(LOCK_WAIT_SECONDS),
        before_sleep=_note_wait,
        reraise=True,
    )
    return connecting(dialect.connect, *arguments, **options)


def _note_wait(state: RetryCallState) -> None:
    if state.attempt_number == 1 and state.outcome is not None:
        log.info("waiting_for_lock", seconds=LOCK_WAIT_SECONDS, said=first_line(state.outcome.exception()))


def _set_up_duckdb(schema: str | None) -> Any:
    def set_up(connection: DBAPIConnection, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("SET TimeZone = 'UTC'")
        if schema:
            cursor.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
            cursor.execute(f'USE "{schema}"')
        cursor.close()

    return set_up


def _set_up_postgresql(schema: str | None) -> Any:
    def set_up(connection: DBAPIConnection, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("SET TIME ZONE 'UTC'")
        # Of a client that was cut off, the server learns in hours; what it has locked would stop every run until then.
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
        cursor.execute(f"SET lock_timeout = '{SERVER_LOCK_WAIT_SECONDS}s'")
        if schema:
            # What was on the path stays on it: the pending table may live in another schema of the same database.
            path = "SELECT set_config('search_path', %s || ', ' || current_setting('search_path'), false)"
            cursor.execute(path, (f'"{schema}"',))
        cursor.close()
        connection.commit()

    return set_up

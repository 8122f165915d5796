"""PostgreSQL: a server, with COPY and time zones.

The job keeps no state in a session that a pool may share (PgBouncer in transaction mode). Every setting, temporary
table and lock ends with its transaction there, and the driver prepares no statement.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import URL, Connection, Table, event, inspect, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.schema import CreateTable

from etl.database.engines.base import CONNECT_TIMEOUT_SECONDS, Engine, Rows, TlsArgument
from etl.database.engines.postgresql_faults import FAULTS
from etl.database.engines.postgresql_names import SearchPath, qualify_calls, search_path_of
from etl.database.engines.postgresql_servers import refusal_of_server
from etl.database.error_map import Fault
from etl.database.idle_connections import check_after_idling
from etl.database.keepalive import IDLE_SECONDS, MAX_PROBES, PROBE_SECONDS
from etl.database.pauses import max_pause_seconds
from etl.error_codes import Code
from etl.errors import ConfigurationError, TransientError

LOCK_WAIT_SECONDS = 300
"""The holder of a server's lock is at work, for example in a long migration."""

KEEPALIVES = {
    "keepalives_idle": IDLE_SECONDS,
    "keepalives_interval": PROBE_SECONDS,
    "keepalives_count": MAX_PROBES,
}

APPLICATION_NAME = "task-audit"

SEARCH_PATH = "search_path"
"""The key of a connection's ``SearchPath`` in its ``info``."""

IS_DIRECT = "is_direct"
"""The key of whether a connection has a session of the server for itself, in its ``info``."""

OWN_OPTIONS = ("autocommit", "context", "cursor_factory", "prepare_threshold", "row_factory")
"""The options of the driver that a URL cannot give, since its values are text and the job sets them itself."""

LOST_CONNECTION = {"OperationalError", "ConnectionTimeout", "InternalError"}
"""The driver's errors without an SQLSTATE that mean a lost connection.

If a session behind PgBouncer ends before its COMMIT, the server and PgBouncer each send an error. The driver expects
one result, and raises an InternalError of its own.
"""

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

POOLER = Code.POOLER_UNSUITABLE
OF_A_TABLE = "Name a table in source.table, or read the view with source.mode = 'read_only'."

ADVICE_BY_PHRASE: dict[str, tuple[Code, str]] = {
    "statement pooling mode": (POOLER, "Set pool_mode=transaction in PgBouncer for this database or user."),
    "unsupported startup parameter": (
        POOLER,
        "Remove `options` from the URL, and set what it sets with ALTER ROLE ... SET; or connect to the server itself.",
    ),
    "authentication method": (
        Code.DATABASE_UNSUPPORTED,
        "Use PostgreSQL 14 or newer, for example RDS for PostgreSQL; openGauss and GaussDB are not supported.",
    ),
}
"""What only these phrases of errors say; a pooler gives all of its errors one SQLSTATE."""

ADVICE: dict[str, tuple[Code, str]] = {
    "0A000": (Code.DATABASE_REFUSED, OF_A_TABLE),
    "42809": (Code.DATABASE_REFUSED, OF_A_TABLE),
    "44000": (
        Code.DATABASE_REFUSED,
        f"The pending table is a view whose CHECK OPTION refuses the rows that a run changes. {OF_A_TABLE}",
    ),
    "55000": (Code.DATABASE_REFUSED, f"The pending table is a view that cannot be updated. {OF_A_TABLE}"),
    "P0001": (Code.DATABASE_REFUSED, "A trigger or function of the database refuses the change; ask its owner."),
}
"""The codes and remedies of single SQLSTATEs."""

SOURCES_OF_LANGUAGES = ("pl_", "plpy_", "plperl", "pltcl")
"""How the names of the server's source files begin in which functions of users raise errors."""

STATEMENT_MS = "extract(epoch FROM pg_catalog.current_setting('statement_timeout')::interval) * 1000.0"

SETTINGS = f"""
SET LOCAL role TO DEFAULT;
SET LOCAL statement_timeout TO DEFAULT;
SET LOCAL synchronous_commit TO DEFAULT;
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';
SELECT pg_catalog.set_config('lock_timeout', CASE
    WHEN {STATEMENT_MS} BETWEEN 1.0 AND {LOCK_WAIT_SECONDS * 1000}.0
    THEN CAST(pg_catalog.ceil({STATEMENT_MS} * 0.9) AS text)
    ELSE '{LOCK_WAIT_SECONDS}s' END, true);
"""
"""The settings of every transaction.

A pooler hands the settings of other programs on, so those that a run depends on become those of the role again. A lock
that is waited for longer than a statement may take would look like a slow statement. ``begin`` adds the longest pause.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgreSQL(Engine):
    """The engine for which SQL in common files is written."""

    def connect_options(self, url: URL, *, read_only: bool) -> dict[str, Any]:
        """Return the arguments of the driver; another client of a pooler would meet a prepared statement."""
        arguments = {"connect_timeout": CONNECT_TIMEOUT_SECONDS, "client_encoding": "UTF8", **KEEPALIVES}
        given = {key: value for key, value in arguments.items() if key not in url.query}
        # The program begins its transactions itself, with their settings, so the driver must not.
        connect_args = {"prepare_threshold": None, "autocommit": True, **given}
        # The dialect would look for a type that no table of the job has.
        return {"use_native_hstore": False, "connect_args": connect_args}

    def refusal_of(self, url: URL) -> str | None:
        """Refuse the options of the driver that the job sets itself."""
        refused = [option for option in OWN_OPTIONS if option in url.query]
        return f"the job sets {', '.join(refused)} itself; leave it out of the URL" if refused else None

    def set_up(self, engine: sa.Engine, *, schema: str | None, create: bool, finds_tables: bool) -> None:
        """Begin each transaction with the settings of the job, in the round trip of BEGIN."""
        named = "" if "application_name" in engine.url.query else APPLICATION_NAME
        settings = SETTINGS + (f"SET LOCAL application_name = '{named}';\n" if named else "")
        server = engine.url.set(query={}).render_as_string()

        def connect(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
            record.info[IS_DIRECT] = _connect(connection, server=server, name=named)
            try:
                path = search_path_of(connection, schema=schema, finds_tables=finds_tables, database=server)
            except BaseException:
                connection.close()
                raise
            record.info[SEARCH_PATH] = path

        def begin(connection: Connection) -> None:
            options = connection.get_execution_options()
            level = "REPEATABLE READ" if options.get("snapshot", False) else "READ COMMITTED"
            access = " READ ONLY" if options.get("read_only", False) else ""
            path = f"SET LOCAL search_path TO {connection.info[SEARCH_PATH].sql};"
            pause = f"SET LOCAL idle_in_transaction_session_timeout = '{max_pause_seconds(connection)}s';"
            script = f"BEGIN ISOLATION LEVEL {level}{access};{path}{pause}{settings}"
            connection.exec_driver_sql(script, execution_options={"no_parameters": True})

        from etl.database.engines.postgresql_compiler import QualifyingCompiler

        engine.dialect.statement_compiler = QualifyingCompiler
        # The dialect reads the version when it first connects, and an unknown product would be a bug to it.
        event.listen(engine, "connect", connect, insert=True)
        event.listen(engine, "begin", begin)
        check_after_idling(engine)

    def fault_of(self, error: BaseException) -> Fault | None:
        """Look up the SQLSTATE; a connection that could not be made, or was lost, has none."""
        if not type(error).__module__.startswith("psycopg"):
            return None
        if _phrase_of(error):
            return ConfigurationError
        sqlstate: str | None = getattr(error, "sqlstate", None)
        if sqlstate is not None:
            return FAULTS.get(sqlstate) or FAULTS.get(sqlstate[:2])
        if any(phrase in str(error) for phrase in LASTING_CONNECTION_ERRORS):
            return ConfigurationError
        return TransientError if type(error).__name__ in LOST_CONNECTION else None

    def is_free_text(self, error: BaseException) -> bool:
        """Recognise the SQLSTATEs of PL/pgSQL, and the source files of languages: RAISE can choose any SQLSTATE."""
        file = getattr(getattr(error, "diag", None), "source_file", None) or ""
        return (getattr(error, "sqlstate", None) or "").startswith("P0") or file.startswith(SOURCES_OF_LANGUAGES)

    def advice_on(self, error: BaseException) -> tuple[Code, str] | None:
        """Look for the phrases of poolers and of other products, then for the SQLSTATE."""
        phrase = _phrase_of(error)
        return ADVICE_BY_PHRASE[phrase] if phrase else ADVICE.get(getattr(error, "sqlstate", None) or "")

    def lock_migrations(self, connection: Connection, version: Table) -> None:
        """Lock the table of the version, which is created if it is missing.

        Any user can take an advisory lock. This lock needs a right to change the table.
        """
        if not inspect(connection).has_table(version.name, schema=version.schema):
            # Another migration may create it at the same time, and ends before this statement fails.
            with suppress(DBAPIError), connection.begin_nested():
                version.create(connection, checkfirst=False)
        name = connection.dialect.identifier_preparer.format_table(version)
        connection.exec_driver_sql(f"LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE")

    def lock_loads(self, connection: Connection, version: Table) -> None:
        """Lock the row of the version: any user can take an advisory lock."""
        connection.execute(select(version).with_for_update())

    @contextmanager
    def staged(self, connection: Connection, rows: Rows, table: Table) -> Iterator[None]:
        """Copy the rows into a temporary table, and analyze it.

        A session of the job's own keeps the table, which each commit empties: to make one for each transaction would
        add 27 kB to the log of the server.
        """
        is_direct: bool = connection.info[IS_DIRECT]
        # An argument of the table for this would import the dialect in processes that use other engines.
        create = CreateTable(table, if_not_exists=is_direct).compile(connection)
        connection.exec_driver_sql(f"{create} ON COMMIT DELETE ROWS")
        cursor: Any = connection.connection.cursor()
        try:
            with cursor.copy(f"COPY {table.name} ({', '.join(table.columns.keys())}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        except connection.dialect.loaded_dbapi.Error as error:
            # SQLAlchemy has no COPY, so its events do not see this error.
            if cursor.connection.broken or cursor.connection.closed:
                # The ROLLBACK would fail, too, and its error would take the place of this one.
                connection.invalidate(error)
            raise self.translate(error, database="the warehouse") or error from error
        # Without statistics the planner joins a large batch by nested loops.
        connection.exec_driver_sql(f"ANALYZE {table.name}")
        yield
        if not is_direct:
            connection.exec_driver_sql(f"DROP TABLE pg_temp.{table.name}")

    def rows_of_json(self, bind: str, column: str) -> str:
        """Return a SELECT of the array's elements as text."""
        return f"SELECT pg_catalog.json_array_elements_text(CAST(:{bind} AS JSON)) AS {column}"

    def qualify(self, sql: str) -> str:
        """Name ``pg_catalog`` before each function."""
        return qualify_calls(sql)

    def left_out_of_path(self, connection: Connection) -> Sequence[str]:
        """Return the schemas of the role's path that PUBLIC may write to."""
        path: SearchPath = connection.info[SEARCH_PATH]
        return path.left_out


def _connect(connection: DBAPIConnection, *, server: str, name: str) -> bool:
    """Refuse a server that the job does not know, and name the session if it is the job's own; return whether it is.

    A pooler gives its clients numbers of its own instead of the server's process IDs.
    """
    driver: Any = connection
    same_process = f"pg_catalog.pg_backend_pid() OPERATOR(pg_catalog.=) {driver.info.backend_pid}"
    set_name = f"pg_catalog.set_config('application_name', '{name}', false)"
    naming = f", CASE WHEN {same_process} THEN {set_name} END" if name else ""
    version, is_direct, *_ = driver.execute(f"SELECT pg_catalog.version(), {same_process}{naming}").fetchone()
    refusal = refusal_of_server(version, encoding=driver.info.parameter_status("server_encoding") or "", server=server)
    if refusal:
        connection.close()
        raise refusal
    return bool(is_direct)


def _phrase_of(error: BaseException) -> str | None:
    return next((phrase for phrase in ADVICE_BY_PHRASE if phrase in str(error)), None)


POSTGRESQL = PostgreSQL(
    name="postgresql",
    driver="postgresql+psycopg",
    aliases=("postgres", "postgresql"),
    extra="postgresql",
    port=5432,
    tls_arguments=(
        TlsArgument(
            "sslmode", frozenset({"verify-full", "verify-ca"}), "PGSSLMODE", "sslmode=verify-full&sslrootcert=FILE"
        ),
        TlsArgument("sslrootcert", frozenset({"system"}), "PGSSLROOTCERT"),
    ),
    lineage_scheme="postgres",
    now_sql="pg_catalog.clock_timestamp()",
    zone_sql="(SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'TimeZone')",
)

"""MySQL and MariaDB: servers that commit with every DDL statement, and whose text compares as its collation says.

Both go by the name ``mysql``. Where they differ, the difference is here.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy import (
    URL,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Integer,
    MetaData,
    Table,
    Text,
    event,
    func,
    select,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateTable
from sqlalchemy.types import TypeEngine

from etl.database.engines.base import CONNECT_TIMEOUT_SECONDS, Engine, Rows, TlsArgument, insert_rows
from etl.database.engines.mysql_faults import DATA_NUMBERS, FAULTS, SIGNAL_NUMBER
from etl.database.engines.mysql_servers import refusal_of_server
from etl.database.error_map import Fault
from etl.database.idle_connections import check_after_idling
from etl.database.keepalive import keep_alive
from etl.database.pauses import max_pause_seconds, with_max_pause

LOCK_WAIT_SECONDS = 300
"""Loads take turns, so a wait as long as a whole load is normal."""

MAX_INDEXED_CHARACTERS = 768
"""The characters of utf8mb4 that fit into the 3,072 bytes of a key."""

SESSION = """
    SET SESSION
        time_zone = '+00:00',
        sql_mode = '{modes}',
        innodb_lock_wait_timeout = {lock_wait},
        lock_wait_timeout = {lock_wait},
        max_sort_length = 8192,
        default_storage_engine = InnoDB,
        sql_safe_updates = 0,
        sql_big_selects = 1,
        sql_select_limit = 18446744073709551615,
        completion_type = 0
"""
"""The settings of a session, whatever the server's are.

Without ``max_sort_length``, keys of two thousand bytes would be sorted by their first thousand. Servers for people at a
prompt refuse updates without a key, and cut what a SELECT returns.
"""


READS_ONLY = "reads_only"
"""The note of a connection whose session is read-only."""

LONGEST_PAUSE = "longest_pause"
"""The note of the seconds after which MariaDB ends a transaction that pauses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MySQL(Engine):
    """The engine of MySQL and MariaDB."""

    def connect_options(self, url: URL, *, read_only: bool) -> dict[str, Any]:
        """Return the arguments of the driver; another character set would lose text."""
        return {"connect_args": {"charset": "utf8mb4", "connect_timeout": CONNECT_TIMEOUT_SECONDS}}

    def set_up(self, engine: sa.Engine, *, schema: str | None, create: bool, finds_tables: bool) -> None:
        """Make the sessions keep UTC, be strict, and compare text by code points."""
        settings = partial(_check_and_set, server=engine.url.set(query={}).render_as_string())
        # The dialect quotes names as the mode of the first session says, so the settings come before it looks.
        event.listen(engine, "connect", settings, insert=True)
        event.listen(engine, "connect", _set_collation)
        event.listen(engine, "begin", _begin)
        check_after_idling(engine)

    def fault_of(self, error: BaseException) -> Fault | None:
        """Look up the error number."""
        if not type(error).__module__.startswith("pymysql"):
            return None
        return FAULTS.get(error.args[0]) if error.args else None

    def quotes_data(self, error: BaseException) -> bool:
        """Look up the error number, too: the driver's classes do not tell all errors about values."""
        return Engine.quotes_data(self, error) or (bool(error.args) and error.args[0] in DATA_NUMBERS)

    def is_free_text(self, error: BaseException) -> bool:
        """Recognise the number of SIGNAL."""
        return bool(error.args) and error.args[0] == SIGNAL_NUMBER

    def key_type(self, dialect: Dialect, characters: int) -> TypeEngine[Any]:
        """Return text of limited length, unless no index could hold it."""
        from sqlalchemy.dialects import mysql

        if characters > MAX_INDEXED_CHARACTERS:
            return Text()
        return mysql.VARCHAR(characters, charset="utf8mb4", collation=_collation_of(dialect))

    def instant_type(self) -> TypeEngine[Any]:
        """Return a time without a zone: TIMESTAMP, which has one, ends in 2038."""
        from sqlalchemy.dialects import mysql

        return mysql.DATETIME(fsp=6)

    def bind_instant(self, instant: datetime) -> datetime:
        """Leave the zone out."""
        return instant.replace(tzinfo=None)

    def register_ddl(self) -> None:
        """Let Alembic repeat what a migration that broke off has committed."""
        from alembic.ddl.mysql import MySQLImpl

        from etl.database.idempotent_ddl import IdempotentDdl

        class IdempotentMySQLImpl(IdempotentDdl, MySQLImpl):
            __dialect__ = "mysql"

    @contextmanager
    def hold_migration_lock(self, engine: sa.Engine, version: Table) -> Iterator[None]:
        """Lock a row in the transaction of another session, since each DDL statement would release it.

        Any user can take a named lock (GET_LOCK). The row is in a table of its own, since the migration changes the
        row of the version. The session that holds it pauses for as long as the migration takes.
        """
        turn = Table(f"{version.name}_turn", MetaData(), Column("id", Integer, primary_key=True), schema=version.schema)
        with with_max_pause(engine, 0).connect() as holder:
            holder.execute(CreateTable(turn, if_not_exists=True))
            holder.execute(sa.insert(turn).prefix_with("IGNORE").values(id=1))
            holder.commit()
            holder.execute(select(turn).with_for_update())
            yield

    def lock_loads(self, connection: Connection, version: Table) -> None:
        """Lock the row of the version: a named lock would belong to the session, not to the transaction."""
        connection.execute(select(version).with_for_update())

    @contextmanager
    def staged(self, connection: Connection, rows: Rows, table: Table) -> Iterator[None]:
        """Insert the rows into a new temporary table, many at a time.

        A new table costs less than emptying the old one, and unlike TRUNCATE it does not end the transaction. The
        insert takes 15 us a row. JSON_TABLE takes 25 us. LOAD DATA LOCAL takes 5 us, but it lets the server read any
        file of this machine, and many servers forbid it.
        """
        connection.exec_driver_sql(f"DROP TEMPORARY TABLE IF EXISTS {table.name}")
        connection.execute(CreateTable(table))
        insert_rows(connection, rows, table, mark="%s")
        yield

    def rows_of_json(self, bind: str, column: str) -> str:
        """Return a SELECT by JSON_TABLE; the default may be another character set, which would lose text."""
        of_type = f"{column} LONGTEXT CHARACTER SET utf8mb4 PATH '$'"
        return f"SELECT {column} FROM JSON_TABLE(:{bind}, '$[*]' COLUMNS ({of_type})) AS asked"  # noqa: S608 - our own names

    def insert(self, table: Table) -> Any:
        """Return MySQL's own INSERT, which knows ON DUPLICATE KEY UPDATE."""
        from sqlalchemy.dialects import mysql

        return mysql.insert(table)

    def insert_or_ignore(self, table: Table) -> sa.Insert:
        """Ignore duplicates: a row written over itself would count as updated."""
        insert: sa.Insert = self.insert(table).prefix_with("IGNORE")
        return insert

    def insert_missing(self, table: Table, rows: sa.Select[Any]) -> sa.Insert:
        """Assign to a row that exists its own key: IGNORE would also leave out what a constraint refuses."""
        key = table.primary_key.columns[0]
        insert = self.insert(table).from_select(table.columns.keys(), rows)
        missing: sa.Insert = insert.on_duplicate_key_update({key.name: key})
        return missing

    def upsert(self, table: Table, columns: Sequence[str], rows: sa.Select[Any]) -> sa.Insert:
        """Return a statement that writes the selected rows over those with the same key."""
        insert = self.insert(table).from_select(columns, rows)
        upsert: sa.Insert = insert.on_duplicate_key_update(
            {name: insert.inserted[name] for name in columns if name not in table.primary_key.columns}
        )
        return upsert

    def upsert_if_newer(self, table: Table, changing: Sequence[str], *, time: str, rows: sa.Select[Any]) -> sa.Insert:
        """Decide for each column: ON DUPLICATE KEY UPDATE has no condition."""
        insert = self.insert(table).from_select(table.columns.keys(), rows)
        is_newer = insert.inserted[time] > table.c[time]
        # Each assignment sees those before it, so the time that decides comes last.
        in_order = sorted(changing, key=time.__eq__)
        upsert: sa.Insert = insert.on_duplicate_key_update(
            [(name, func.IF(is_newer, insert.inserted[name], table.c[name])) for name in in_order]
        )
        return upsert

    def delete_found(self, table: Table, found: sa.Subquery, where: ColumnElement[bool]) -> sa.Delete:
        """Join the subquery: MySQL would run one of IN for each row of the table."""
        keys = (column == found.c[column.name] for column in table.primary_key.columns)
        return sa.delete(table).where(*keys, where)

    def path_to_tables(self, *, database: str | None, schema: str | None) -> list[str]:
        """Return the database, which is what MySQL calls a schema."""
        return [schema or database or ""]


def collation(*, is_mariadb: bool) -> str:
    """Name the collation that compares code points and counts trailing blanks, which ``utf8mb4_bin`` does not."""
    return "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"


def _collation_of(dialect: Dialect) -> str:
    return collation(is_mariadb=_is_mariadb(dialect))


def _is_mariadb(dialect: Dialect) -> bool:
    return bool(getattr(dialect, "is_mariadb", False))


@compiles(Text, "mysql")
def _text(_type: Text, compiler: Any, **options: Any) -> str:
    # Plain TEXT ends at 65,535 bytes, and compares as the database's default says.
    from sqlalchemy.dialects import mysql

    long_text = mysql.LONGTEXT(charset="utf8mb4", collation=_collation_of(compiler.dialect))
    return str(compiler.process(long_text, **options))


def _check_and_set(connection: DBAPIConnection, _record: object, *, server: str) -> None:
    driver: Any = connection
    cursor = driver.cursor()
    cursor.execute("SELECT VERSION(), @@max_allowed_packet")
    version, packet_bytes = cursor.fetchone()
    if refusal := refusal_of_server(version, packet_bytes=packet_bytes, server=server):
        connection.close()
        raise refusal
    is_mariadb = "MariaDB" in version
    # MariaDB cuts what is finer than a microsecond anyway.
    modes = "TRADITIONAL" if is_mariadb else "TRADITIONAL,TIME_TRUNCATE_FRACTIONAL"
    cursor.execute(SESSION.format(modes=modes, lock_wait=LOCK_WAIT_SECONDS))
    # Gaps that a reader has locked would keep others from adding tasks.
    cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    cursor.close()
    keep_alive(driver._sock)  # noqa: SLF001 - the driver has no option for it


def _set_collation(connection: DBAPIConnection, _record: object) -> None:
    """Set the collation after the dialect has set the character set, which would reset it."""
    driver: Any = connection
    with driver.cursor() as cursor:
        cursor.execute(f"SET NAMES utf8mb4 COLLATE {collation(is_mariadb='MariaDB' in driver.get_server_info())}")


def _begin(connection: Connection) -> None:
    """Set what the transactions of the session may do: on MariaDB, DDL ends a single one that only reads, and runs."""
    options = connection.get_execution_options()
    reads_only = options.get("read_only", False)
    if reads_only != connection.info.get(READS_ONLY, False):
        connection.exec_driver_sql(f"SET SESSION TRANSACTION READ {'ONLY' if reads_only else 'WRITE'}")
        connection.info[READS_ONLY] = reads_only
    # MySQL has no such setting, and readers hold no locks.
    pause = 0 if reads_only else max_pause_seconds(connection)
    if _is_mariadb(connection.dialect) and pause != connection.info.get(LONGEST_PAUSE):
        connection.exec_driver_sql(f"SET SESSION idle_transaction_timeout = {pause}")
        connection.info[LONGEST_PAUSE] = pause
    if options.get("snapshot", False):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT")


MYSQL = MySQL(
    name="mysql",
    driver="mysql+pymysql",
    aliases=("mariadb", "mariadb+pymysql", "mysql"),
    extra="mysql",
    url_names_database=True,
    schema_refusal="a schema of MySQL is a database; name it in the URL",
    port=3306,
    tls_arguments=(TlsArgument("ssl_ca", example="ssl_ca=FILE"), TlsArgument("ssl_capath")),
    now_sql="UTC_TIMESTAMP(6)",
    zone_sql="@@global.time_zone",
    has_view_comments=False,
)

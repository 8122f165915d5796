"""MySQL and MariaDB: servers that commit with every DDL statement, and whose text compares as its collation says.

Both go by the name ``mysql``. Where they differ, the difference is here.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Dialect,
    Table,
    Text,
    column,
    event,
    func,
    select,
    text,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateTable
from sqlalchemy.types import TypeEngine

from etl.database.engines.base import CONNECT_TIMEOUT_SECONDS, MIGRATION_LOCK, Engine, insert_frame
from etl.database.error_map import Fault
from etl.database.keepalive import keep_alive
from etl.errors import Code, ConfigurationError, StoppedError, TransientError, UnavailableError

if TYPE_CHECKING:
    import polars as pl

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
        default_storage_engine = InnoDB
"""
"""Without ``max_sort_length``, keys of two thousand bytes would be sorted by their first thousand."""

FAULTS: dict[int, Fault] = {
    0: TransientError,  # the driver's own: the connection was closed
    1016: UnavailableError,  # the server cannot open a file
    1017: UnavailableError,  # a file of the server is gone, such as a temporary table
    1020: TransientError,  # record has changed since last read: a serialization failure
    1021: UnavailableError,  # disk full
    1030: UnavailableError,  # error from the storage engine
    1037: UnavailableError,  # out of memory
    1040: TransientError,  # too many connections
    1041: UnavailableError,  # out of memory
    1044: ConfigurationError,  # no right to the database
    1045: ConfigurationError,  # access denied
    1049: ConfigurationError,  # no such database
    1053: TransientError,  # shutdown in progress
    1054: ConfigurationError,  # no such column
    1114: UnavailableError,  # table full, also if the disk is
    1129: UnavailableError,  # host blocked for its many errors
    1130: ConfigurationError,  # host not allowed
    1142: ConfigurationError,  # no right to the table
    1143: ConfigurationError,  # no right to the column
    1146: ConfigurationError,  # no such table
    1152: TransientError,  # connection aborted
    1153: ConfigurationError,  # a packet larger than max_allowed_packet
    **dict.fromkeys(range(1158, 1162), TransientError),  # network errors
    1203: TransientError,  # too many connections of the user
    1205: StoppedError,  # lock wait timeout
    1206: UnavailableError,  # lock table full
    1213: TransientError,  # deadlock
    1226: UnavailableError,  # a limit of the user is reached
    1227: ConfigurationError,  # a privilege is missing
    1251: ConfigurationError,  # a way to authenticate that the driver does not know
    1290: UnavailableError,  # read-only server: a replica after a failover
    1317: UnavailableError,  # query interrupted
    1370: ConfigurationError,  # no right to the routine
    1665: ConfigurationError,  # binlog_format = STATEMENT
    1698: ConfigurationError,  # access denied: the user may only come by a socket
    1792: UnavailableError,  # read-only transaction
    1836: UnavailableError,  # read-only mode
    1862: ConfigurationError,  # password expired
    1927: TransientError,  # connection killed (MariaDB)
    1969: UnavailableError,  # statement timeout (MariaDB)
    2002: TransientError,  # no server at the socket
    2003: TransientError,  # no server at the address
    2005: UnavailableError,  # unknown host
    2006: TransientError,  # server has gone away
    2013: TransientError,  # connection lost
    2055: TransientError,  # connection lost
    2059: ConfigurationError,  # a way to authenticate that the driver does not know
    2061: ConfigurationError,  # the same
    3024: UnavailableError,  # statement timeout (MySQL)
    3118: ConfigurationError,  # account locked (MySQL)
    3159: ConfigurationError,  # the server wants TLS
    4031: TransientError,  # disconnected for inactivity (MySQL)
    4151: ConfigurationError,  # account locked (MariaDB)
}
"""The faults by error number (https://mariadb.com/kb/en/mariadb-error-code-reference/).

Above 1900, MySQL and MariaDB differ.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MySQL(Engine):
    """The engine of MySQL and MariaDB."""

    def connect_options(self, url: URL) -> dict[str, Any]:
        """Return the arguments of the driver; another character set would lose text."""
        return {"connect_args": {"charset": "utf8mb4", "connect_timeout": CONNECT_TIMEOUT_SECONDS}}

    def set_up(self, engine: sa.Engine, *, schema: str | None, create: bool) -> None:
        """Make the sessions keep UTC, be strict, and compare text by code points."""
        event.listen(engine, "connect", _set_up)
        event.listen(engine, "begin", _begin)

    def fault_of(self, error: BaseException) -> Fault | None:
        """Look up the error number."""
        if not type(error).__module__.startswith("pymysql"):
            return None
        return FAULTS.get(error.args[0]) if error.args else None

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
    def hold_migration_lock(self, engine: sa.Engine) -> Iterator[None]:
        """Hold a lock that belongs to a session: the first DDL statement would release one of a transaction.

        Raises:
            StoppedError: another session held it for too long.
        """
        named = {"name": MIGRATION_LOCK}
        with engine.connect() as holder:
            if not holder.scalar(text("SELECT GET_LOCK(:name, :seconds)"), named | {"seconds": LOCK_WAIT_SECONDS}):
                raise StoppedError(
                    f"Another session has held the lock '{MIGRATION_LOCK}' for {LOCK_WAIT_SECONDS} s.",
                    code=Code.DATABASE_LOCKED,
                    remedy="Run again when that has ended.",
                )
            try:
                yield
            finally:
                holder.execute(text("SELECT RELEASE_LOCK(:name)"), named)

    def lock_loads(self, connection: Connection, *, schema: str | None, version_table: str) -> None:
        """Lock the row of the version: a named lock would belong to the session, not to the transaction."""
        version = sa.table(version_table, column("version_num"))
        connection.execute(select(version.c.version_num).with_for_update())

    @contextmanager
    def staged(self, connection: Connection, rows: "pl.DataFrame", table: Table) -> Iterator[None]:
        """Insert the rows into a new temporary table, many at a time.

        A new table costs less than emptying the old one, and unlike TRUNCATE it does not end the transaction. The
        insert takes 15 us a row. JSON_TABLE takes 25 us. LOAD DATA LOCAL takes 5 us, but it lets the server read any
        file of this machine, and many servers forbid it.
        """
        connection.exec_driver_sql(f"DROP TEMPORARY TABLE IF EXISTS {table.name}")
        connection.execute(CreateTable(table))
        insert_frame(connection, rows, table, mark="%s")
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

    def upsert(self, table: Table, columns: Sequence[str], rows: sa.Select[Any]) -> sa.Insert:
        """Return a statement that writes the selected rows over those with the same key."""
        insert = self.insert(table).from_select(columns, rows)
        upsert: sa.Insert = insert.on_duplicate_key_update(
            {name: insert.inserted[name] for name in columns if name not in table.primary_key.columns}
        )
        return upsert

    def upsert_if_newer(self, table: Table, changing: Sequence[str], *, time: str) -> sa.Insert:
        """Decide for each column: ON DUPLICATE KEY UPDATE has no condition."""
        insert = self.insert(table)
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

    def utc_date(self, column: sa.Column[Any]) -> ColumnElement[Any]:
        """Return the date of a time that has no zone, and is in UTC."""
        return func.date(column)

    def path_to_tables(self, *, database: str | None, schema: str | None) -> list[str]:
        """Return the database, which is what MySQL calls a schema."""
        return [schema or database or ""]


def collation(*, is_mariadb: bool) -> str:
    """Name the collation that compares code points and counts trailing blanks, which ``utf8mb4_bin`` does not."""
    return "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"


def _collation_of(dialect: Dialect) -> str:
    return collation(is_mariadb=bool(getattr(dialect, "is_mariadb", False)))


@compiles(Text, "mysql")
def _text(_type: Text, compiler: Any, **options: Any) -> str:
    # Plain TEXT ends at 65,535 bytes, and compares as the database's default says.
    from sqlalchemy.dialects import mysql

    long_text = mysql.LONGTEXT(charset="utf8mb4", collation=_collation_of(compiler.dialect))
    return str(compiler.process(long_text, **options))


def _set_up(connection: DBAPIConnection, _record: object) -> None:
    driver: Any = connection
    is_mariadb = "MariaDB" in driver.get_server_info()
    # MariaDB cuts what is finer than a microsecond anyway.
    modes = "TRADITIONAL" if is_mariadb else "TRADITIONAL,TIME_TRUNCATE_FRACTIONAL"
    cursor = connection.cursor()
    cursor.execute(f"SET NAMES utf8mb4 COLLATE {collation(is_mariadb=is_mariadb)}")
    cursor.execute(SESSION.format(modes=modes, lock_wait=LOCK_WAIT_SECONDS))
    # Gaps that a reader has locked would keep others from adding tasks.
    cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    cursor.close()
    keep_alive(driver._sock)  # noqa: SLF001 - the driver has no option for it


def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get("read_only", False):
        connection.exec_driver_sql("START TRANSACTION READ ONLY")


MYSQL = MySQL(
    name="mysql",
    driver="mysql+pymysql",
    aliases=("mariadb", "mariadb+pymysql", "mysql"),
    extra="mysql",
    url_names_database=True,
    schema_refusal="a schema of MySQL is a database; name it in the URL",
    port=3306,
    now_sql="UTC_TIMESTAMP(6)",
    zone_sql="@@global.time_zone",
    has_view_comments=False,
)

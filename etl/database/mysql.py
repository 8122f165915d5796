"""MySQL and MariaDB: what is set in every session, and text that is compared by code points as everywhere else.

Both go by the name ``mysql``. Where they differ, the difference is here.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, Text, text
from sqlalchemy.dialects import mysql
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeEngine

from etl.errors import Code, StoppedError

LOCK_WAIT_SECONDS = 300
"""Loads take turns, so a wait of a whole load is no sign of trouble."""

MAX_INDEXED_CHARACTERS = 768
"""Of utf8mb4, in the 3,072 bytes of a key."""

IDLE_SECONDS, PROBE_SECONDS, PROBES = 30, 10, 3
"""Keepalives let a connection that a firewall forgot fail within a minute instead of hours."""

SESSION = """
    SET SESSION
        time_zone = '+00:00',
        sql_mode = '{modes}',
        innodb_lock_wait_timeout = {lock_wait},
        lock_wait_timeout = {lock_wait},
        max_sort_length = 8192,
        default_storage_engine = InnoDB
"""
"""Without ``max_sort_length``, the two thousand bytes of a key would be sorted by their first thousand."""


def collation(*, is_mariadb: bool) -> str:
    """Name the collation that compares code points, and counts blanks at the end, which ``utf8mb4_bin`` does not."""
    return "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"


def key_type(dialect: Dialect, characters: int) -> TypeEngine[Any]:
    """Make the type of text that an index can hold."""
    return mysql.VARCHAR(characters, charset="utf8mb4", collation=_collation_of(dialect))


@compiles(Text, "mysql")
def _text(_type: Text, compiler: Any, **options: Any) -> str:
    # Plain TEXT ends at 65,535 bytes, and compares as the database's default says.
    long_text = mysql.LONGTEXT(charset="utf8mb4", collation=_collation_of(compiler.dialect))
    return str(compiler.process(long_text, **options))


def set_up(connection: DBAPIConnection, _record: object) -> None:
    """Make a session keep UTC, be strict, and compare text by code points."""
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
    _keep_alive(driver._sock)  # noqa: SLF001 - the driver has no option for it


def begin(connection: Connection) -> None:
    """Hold the server to it where a transaction is meant only to read."""
    if connection.get_execution_options().get("read_only", False):
        connection.exec_driver_sql("START TRANSACTION READ ONLY")


@contextmanager
def alone(engine: Engine, name: str) -> Iterator[None]:
    """Wait for a lock of the server's, and hold it: one of a transaction would not outlast the first DDL.

    Raises:
        StoppedError: another session has held it for too long.
    """
    with engine.connect() as holder:
        if not holder.scalar(text("SELECT GET_LOCK(:name, :seconds)"), {"name": name, "seconds": LOCK_WAIT_SECONDS}):
            raise StoppedError(
                f"Another session has held the lock '{name}' for {LOCK_WAIT_SECONDS} s.",
                code=Code.DATABASE_LOCKED,
                remedy="Run again when that has ended.",
            )
        try:
            yield
        finally:
            holder.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": name})


def _collation_of(dialect: Dialect) -> str:
    return collation(is_mariadb=bool(getattr(dialect, "is_mariadb", False)))


def _keep_alive(connected: socket.socket) -> None:
    if connected.family == socket.AF_UNIX:
        return
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", IDLE_SECONDS), ("TCP_KEEPINTVL", PROBE_SECONDS), ("TCP_KEEPCNT", PROBES)):
        if hasattr(socket, option):
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)

"""SQLite in memory, with faults on order."""

import sqlite3
from dataclasses import dataclass, fields

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import StaticPool

from etl.database.engines import sqlite as sqlite_engine
from etl.database.engines.sqlite import SQLITE, SQLite
from etl.errors import StoppedError, TransientError, UnavailableError
from tests.simulation.databases import CALENDAR, STATEMENTS, Database, Link, kinds_by_point
from tests.simulation.machine import instant_at, text_of

FAULTS = {
    "deadlock": (TransientError, "statement"),
    "lost before commit": (TransientError, "commit"),
    "lost after commit": (TransientError, "committed"),
    "read-only": (UnavailableError, "write"),
    "full disk": (UnavailableError, "write"),
    "full disk at commit": (UnavailableError, "commit"),
    "locked": (StoppedError, "begin"),
    "down": (TransientError, "begin"),
}
"""What each fault means to the program, and the point of a transaction at which it strikes."""


class SimulatedFault(sqlite3.OperationalError):
    """What the driver raises when a fault strikes."""

    def __init__(self, kind):
        super().__init__(f"simulated: {kind}")
        self.meaning = FAULTS[kind][0]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedSQLite(SQLite):
    """SQLite, whose simulated faults mean what those of a server do."""

    def fault_of(self, error):
        return error.meaning if isinstance(error, SimulatedFault) else SQLite.fault_of(self, error)


SIMULATED = SimulatedSQLite(**{each.name: getattr(SQLITE, each.name) for each in fields(SQLITE)})


class SQLiteCursor(sqlite3.Cursor):
    def execute(self, sql, *arguments):
        self.connection.strikes(sql)
        return super().execute(sql, *arguments)

    def executemany(self, sql, *arguments):
        self.connection.strikes(sql)
        return super().executemany(sql, *arguments)


class SQLiteLink(Link, sqlite3.Connection):
    kinds = kinds_by_point(FAULTS)

    def cursor(self, factory=SQLiteCursor):
        return super().cursor(factory)

    def begin(self, *, reads_only):
        cursor = sqlite3.Cursor(self)
        cursor.execute(f"PRAGMA query_only = {int(reads_only)}")
        cursor.execute("BEGIN" if reads_only else "BEGIN IMMEDIATE")

    def raise_fault(self, kind, _point):
        if self.in_transaction:
            self.rollback()
        raise SimulatedFault(kind)


def _begin(connection):
    """Begin a transaction as the program does, and without SQLAlchemy if no fault can strike meanwhile."""
    link = connection.connection.dbapi_connection
    if link.world is None or link.world.has_database_faults:
        sqlite_engine._begin(connection)
    else:
        link.begin(reads_only=connection.get_execution_options().get("read_only", False))


class SQLiteDatabase(Database):
    """One database in memory."""

    def __init__(self, name, *, like=None):
        """Migrate both schemas, or copy another database, and remember the rows that it begins with."""
        super().__init__(name)
        self.url = f"sqlite:////simulated/{name}.sqlite"
        self._link = sqlite3.connect(
            ":memory:", factory=SQLiteLink, isolation_level=None, check_same_thread=False, cached_statements=STATEMENTS
        )
        self._link.database = self
        self.engine = sa.create_engine(
            "sqlite://",
            creator=lambda: self._link,
            poolclass=StaticPool,
            hide_parameters=True,
            query_cache_size=STATEMENTS,
        )
        self.share_engine(SIMULATED)
        event.remove(self.engine, "begin", sqlite_engine._begin)
        event.listen(self.engine, "begin", _begin)
        # The rows of the migration have times of no night.
        self._link.create_function("simulated_now", 0, lambda: text_of(instant_at(0)))
        if like is None:
            self.migrate()
        else:
            like._link.backup(self._link)
        names = self.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        self._born_with = {name: self.rows(f"SELECT * FROM {name}") for (name,) in names if name != CALENDAR}

    def rows(self, query):
        return sqlite3.Cursor(self._link).execute(query).fetchall()

    def add_task(self, task_id):
        sqlite3.Cursor(self._link).execute("INSERT INTO pending_task (task_id) VALUES (?)", [task_id])

    def reset(self, world, *, now, chance):
        super().reset(world, now=now, chance=chance)
        self._link.create_function("simulated_now", 0, lambda: text_of(now()))
        self._link.create_function("random", 0, lambda: chance.getrandbits(63))

    def empty(self):
        cursor = sqlite3.Cursor(self._link)
        if self._link.in_transaction:
            cursor.execute("ROLLBACK")
        # The last transaction of the last night may have been one that only reads.
        cursor.execute("PRAGMA query_only = 0")
        cursor.execute("BEGIN")
        for name, rows in self._born_with.items():
            cursor.execute(f"DELETE FROM {name}")
            if rows:
                cursor.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(rows[0]))})", rows)
        cursor.execute("COMMIT")

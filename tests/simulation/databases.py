"""The two databases of a night: SQLite in memory, with faults on order.

The schemas are migrated once. Before each night, the tables are emptied and get back the rows of the migration, so that
SQLite and SQLAlchemy keep the statements that they have prepared.
"""

import sqlite3
from dataclasses import dataclass, fields
from functools import lru_cache

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import StaticPool

from etl.database.connections import ErrorTranslator
from etl.database.engines import sqlite as sqlite_engine
from etl.database.engines.sqlite import SQLITE, SQLite
from etl.errors import StoppedError, TransientError, UnavailableError
from etl.source.schema import upgrade_queue
from etl.source.tables import pending_table
from etl.warehouse.schema import upgrade_warehouse
from tests.simulation.machine import instant_at, text_of

CALENDAR = "dim_day"
"""Filled by the migration, and written by no night."""

STATEMENTS = 5_000
"""The prepared and the compiled statements that stay: more than the program has."""

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


class Cursor(sqlite3.Cursor):
    def execute(self, sql, *arguments):
        self.connection.strikes(sql)
        return super().execute(sql, *arguments)

    def executemany(self, sql, *arguments):
        self.connection.strikes(sql)
        return super().executemany(sql, *arguments)


class Link(sqlite3.Connection):
    """The driver's connection, which asks before each step whether a fault strikes."""

    world = None
    name = ""

    def cursor(self, factory=Cursor):
        return super().cursor(factory)

    def strikes(self, sql):
        if self.world is None:
            return
        if sql.startswith("BEGIN"):
            self._strike("begin")
        elif sql.startswith(("INSERT", "UPDATE", "DELETE", "WITH")):
            self._strike("write")
            self._strike("statement")
        elif self.in_transaction:
            self._strike("statement")

    def begin(self, *, reads_only):
        cursor = sqlite3.Cursor(self)
        cursor.execute(f"PRAGMA query_only = {int(reads_only)}")
        cursor.execute("BEGIN" if reads_only else "BEGIN IMMEDIATE")

    def commit(self):
        if self.world is None or not self.in_transaction:
            super().commit()
            return
        self._strike("commit")
        super().commit()
        self.world.note_commit(self.name)
        self._strike("committed")

    def _strike(self, point):
        kind = self.world.database_fault(self.name, point)
        if kind is not None:
            if self.in_transaction:
                super().rollback()
            raise SimulatedFault(kind)


def _begin(connection):
    """Begin a transaction as the program does, and without SQLAlchemy if no fault can strike meanwhile."""
    link = connection.connection.dbapi_connection
    if link.world is None or link.world.has_database_faults:
        sqlite_engine._begin(connection)
    else:
        link.begin(reads_only=connection.get_execution_options().get("read_only", False))


class Database:
    """One database in memory, for all nights of this process."""

    def __init__(self, name, *, like=None):
        """Migrate both schemas, or copy another database, and remember the rows that it begins with."""
        self.link = sqlite3.connect(
            ":memory:", factory=Link, isolation_level=None, check_same_thread=False, cached_statements=STATEMENTS
        )
        self.link.name = name
        self.engine = sa.create_engine(
            "sqlite://",
            creator=lambda: self.link,
            poolclass=StaticPool,
            hide_parameters=True,
            query_cache_size=STATEMENTS,
        )
        event.listen(self.engine, "handle_error", ErrorTranslator(SIMULATED, f"the database {name}", file=None))
        SIMULATED.set_up(self.engine, schema=None, create=False, finds_tables=True)
        event.remove(self.engine, "begin", sqlite_engine._begin)
        event.listen(self.engine, "begin", _begin)
        # Each call would make another engine with the same options.
        self.engine.execution_options = lru_cache(self.engine.execution_options)
        # A run disposes of its engine at its end, and other runs go on.
        self.engine.dispose = lambda close=True: None
        # The rows of the migration have times of no night.
        self.link.create_function("simulated_now", 0, lambda: text_of(instant_at(0)))
        if like is None:
            upgrade_queue(self.engine, pending_table("pending_task"))
            upgrade_warehouse(self.engine)
        else:
            like.link.backup(self.link)
        names = self.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        self._born_with = {name: self.rows(f"SELECT * FROM {name}") for (name,) in names if name != CALENDAR}
        self.tables = set(self._born_with)

    def rows(self, query, *values):
        """Read without SQLAlchemy and without faults."""
        return sqlite3.Cursor(self.link).execute(query, values).fetchall()

    def change(self, statement, *values):
        """Write without SQLAlchemy and without faults."""
        sqlite3.Cursor(self.link).execute(statement, values)

    def reset(self, world, *, now, chance):
        """Make the database as it was after its migration, with the clock and the chance of a night."""
        self.link.world = None
        cursor = sqlite3.Cursor(self.link)
        if self.link.in_transaction:
            cursor.execute("ROLLBACK")
        # The last transaction of the last night may have been one that only reads.
        cursor.execute("PRAGMA query_only = 0")
        cursor.execute("BEGIN")
        for name, rows in self._born_with.items():
            cursor.execute(f"DELETE FROM {name}")
            if rows:
                cursor.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(rows[0]))})", rows)
        cursor.execute("COMMIT")
        self.link.create_function("simulated_now", 0, now)
        self.link.create_function("random", 0, lambda: chance.getrandbits(63))
        self.link.world = world


class Databases:
    """The databases of all nights of this process: two of their own, and one that is both."""

    def __init__(self):
        one = Database("queue")
        self._one = {"queue": one, "warehouse": one}
        # Each of the two has the tables of the other as well, which no run looks for there.
        self._two = {role: Database(role, like=one) for role in ("queue", "warehouse")}

    def of(self, *, shared):
        """Return the database of each role."""
        return self._one if shared else self._two

"""The databases of a night, with faults on order: what is the same on each engine.

The schemas are migrated once. Before each night, the tables are emptied and get back the rows of the migration, so that
SQLAlchemy keeps the statements that it has compiled.
"""

from abc import ABC, abstractmethod
from collections import defaultdict
from functools import lru_cache
from typing import ClassVar

from sqlalchemy import event

from etl.database.connections import ErrorTranslator
from etl.source.schema import upgrade_queue
from etl.source.tables import pending_table
from etl.warehouse.schema import upgrade_warehouse

CALENDAR = "dim_day"
"""Filled by the migration, and written by no night."""

STATEMENTS = 5_000
"""The prepared and the compiled statements that stay: more than the program has."""

WRITES = ("INSERT", "UPDATE", "DELETE", "WITH")
"""How statements begin that write."""


def kinds_by_point(faults):
    """Return the faults that strike at each point of a transaction."""
    kinds = defaultdict(set)
    for kind, (_, *points) in faults.items():
        for point in points:
            kinds[point].add(kind)
    return dict(kinds)


class Link:
    """A driver's connection, which asks before each step whether a fault strikes; the driver's class comes after it.

    The driver's class has ``in_transaction`` and ``commit``.
    """

    database = None
    kinds: ClassVar = {}
    """The faults that strike at each point of a transaction."""

    def raise_fault(self, kind, point):
        """Raise what the driver raises when a fault strikes at a point, and leave the transaction as the fault does."""
        raise NotImplementedError

    @property
    def world(self):
        return self.database and self.database.world

    def strikes(self, sql):
        if self.world is None:
            return
        if sql.startswith("BEGIN"):
            self.strike("begin")
        elif sql.startswith(WRITES):
            self.strike("write")
            self.strike("statement")
        elif self.in_transaction:
            self.strike("statement")

    def commit(self):
        if self.world is None or not self.in_transaction:
            super().commit()
            return
        self.strike("commit")
        super().commit()
        self.world.note_commit(self.database.name)
        self.strike("committed")

    def strike(self, point):
        kind = self.world.database_fault(self.database.name, self.kinds.get(point, ()))
        if kind is not None:
            self.raise_fault(kind, point)


class Database(ABC):
    """One database for all nights of this process; its subclass gives it its ``url`` and its ``engine``."""

    def __init__(self, name):
        self.name = name
        self.world = self.now = self.chance = None

    def share_engine(self, kind):
        """Let all runs use one engine of SQLAlchemy, which is of a kind that the program knows."""
        event.listen(self.engine, "handle_error", self._note_error)
        event.listen(self.engine, "handle_error", ErrorTranslator(kind, f"the database {self.name}", file=None))
        kind.set_up(self.engine, schema=None, create=False, finds_tables=True)
        # Each call would make another engine with the same options.
        self.engine.execution_options = lru_cache(self.engine.execution_options)
        # A run disposes of its engine at its end, and other runs go on.
        self.engine.dispose = lambda close=True: None

    def migrate(self):
        upgrade_queue(self.engine, pending_table("pending_task"))
        upgrade_warehouse(self.engine)

    @abstractmethod
    def rows(self, query):
        """Read what is committed, without SQLAlchemy and without faults; times are text, as SQLite keeps them."""

    @abstractmethod
    def add_task(self, task_id):
        """Put a task into the queue, as a program does by a plain INSERT, without faults."""

    def reset(self, world, *, now, chance):
        """Make the database as it was after its migration, with the clock and the chance of a night."""
        self.world = None
        self.empty()
        self.world, self.now, self.chance = world, now, chance

    @abstractmethod
    def empty(self):
        """Give all tables the rows that they had after the migration."""

    def _note_error(self, context):
        """Break off the night if a statement fails by itself: it waits for another, say."""
        error = context.original_exception
        if self.world is not None and "simulated: " not in str(error):
            self.world.note_database_error(error)


class Databases:
    """The databases of all nights of this process: two of their own, and one that is both."""

    def __init__(self, make):
        """Make them, given the class of the engine, or what calls it."""
        one = make("queue")
        self._one = {"queue": one, "warehouse": one}
        # Each of the two has the tables of the other as well, which no run looks for there.
        self._two = {role: make(role, like=one) for role in ("queue", "warehouse")}

    def of(self, *, shared):
        """Return the database of each role."""
        return self._one if shared else self._two

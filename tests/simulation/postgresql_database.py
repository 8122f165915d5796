"""A database on a PostgreSQL server, with faults on order.

The errors of the faults are the driver's own, so the program finds out by itself what they mean. A call takes effect at
one instant, so no statement ever waits for a lock: one that does fails, and breaks off the night.
"""

import random
from contextlib import suppress
from uuid import uuid4

import psycopg
from psycopg import errors, pq
from psycopg.types.datetime import TimestamptzLoader
from pydantic import SecretStr
from sqlalchemy import event

from etl.database.connections import _create_engine
from etl.database.engines.postgresql import POSTGRESQL
from etl.database.url import parse_database_url
from tests.simulation.databases import CALENDAR, Database, Link, kinds_by_point
from tests.simulation.machine import instant_at, text_of

MAX_STATEMENT_SECONDS = 10
"""A statement takes milliseconds. One that waits for a lock fails after nine tenths of this."""

FAULTS = {
    "deadlock": (errors.DeadlockDetected, "statement"),
    "lost before commit": (psycopg.OperationalError, "statement", "commit"),
    "lost after commit": (psycopg.OperationalError, "committed"),
    "read-only": (errors.ReadOnlySqlTransaction, "write"),
    "full disk": (errors.DiskFull, "write"),
    "full disk at commit": (errors.DiskFull, "commit"),
    "locked": (errors.LockNotAvailable, "write"),
    "down": (psycopg.OperationalError, "begin"),
}
"""What the driver raises for each fault, and the points of a transaction at which it strikes."""

PASSED_OVER = 0.8
"""The share of statements that a fault lets pass, so that it meets any statement of a load, a COPY for example."""


class PostgreSQLCursor(psycopg.Cursor):
    def execute(self, query, *arguments, **options):
        link = self.connection
        link.strikes(query)
        if link.database is not None and query.startswith("BEGIN"):
            query += link.database.settings()
        return super().execute(query, *arguments, **options)

    def copy(self, statement, *arguments, **options):
        self.connection.strikes(statement)
        return super().copy(statement, *arguments, **options)


class PostgreSQLLink(Link, psycopg.Connection):
    kinds = kinds_by_point(FAULTS)

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.cursor_factory = PostgreSQLCursor

    @property
    def in_transaction(self):
        return self.info.transaction_status != pq.TransactionStatus.IDLE

    def strike(self, point):
        if point not in {"write", "statement"} or self.database.places.random() >= PASSED_OVER:
            super().strike(point)

    def raise_fault(self, kind, point):
        error = FAULTS[kind][0]
        if error is psycopg.OperationalError:
            # The server would notice the end of the connection at some time, and rolls back at once here.
            self.rollback()
            self.close()
        elif point == "commit":
            self.rollback()
        else:
            # After an error, the server refuses every statement until the transaction ends.
            with suppress(errors.DivisionByZero):
                psycopg.Cursor(self).execute("SELECT 1 / 0")
        raise error(f"simulated: {kind}")


class InstantLoader(TimestamptzLoader):
    """Reads a time as the text that SQLite keeps."""

    def load(self, data):
        return text_of(super().load(data))


class PostgreSQLDatabase(Database):
    """One database on a server."""

    def __init__(self, server, name, *, like=None):
        """Migrate both schemas, or copy what another database was then, and keep the rows that it begins with.

        Args:
            server: the address of another database on the server.
            name: the role of the database.
            like: the database to copy.
        """
        super().__init__(name)
        self._server = server
        database = self._create("template0" if like is None else like.template)
        self.url = server.replace("/postgres?", f"/{database}?")
        self.engine = _create_engine(parse_database_url(SecretStr(self.url)), read_only=False)
        event.listen(self.engine, "do_connect", self._connect)
        self.share_engine(POSTGRESQL)
        if like is None:
            self.now = lambda: instant_at(0)
            self.migrate()
            # The server copies no database that has a session.
            self.engine.pool.dispose()
            self.template = self._create(database)
        self._auditor = psycopg.connect(self.url, autocommit=True)
        self._auditor.execute("SET TimeZone = 'UTC'")
        self._auditor.adapters.register_loader("timestamptz", InstantLoader)
        self._born_with = set(self._touched())
        self._auditor.execute("CREATE SCHEMA born")
        for table in self._born_with:
            self._auditor.execute(f"CREATE TABLE born.{table} AS TABLE {table}")

    def _create(self, template):
        """Create a database; returns its name."""
        name = f"simulated_{uuid4().hex}"
        with psycopg.connect(self._server, autocommit=True) as administration:
            administration.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
            administration.execute(f"ALTER DATABASE {name} SET statement_timeout = '{MAX_STATEMENT_SECONDS}s'")
        return name

    def _connect(self, _dialect, _record, arguments, options):
        link = PostgreSQLLink.connect(*arguments, **options)
        link.database = self
        if self.world is not None:
            link.strike("begin")
        return link

    def settings(self):
        """Return the statements that give a transaction the time and the chance of the night."""
        seed = f"SELECT pg_catalog.setseed({self.chance.uniform(-1, 1)});" if self.chance is not None else ""
        return f"SET LOCAL simulated.now = '{self.now().isoformat()}';{seed}"

    def rows(self, query):
        return self._auditor.execute(query).fetchall()

    def add_task(self, task_id):
        self._auditor.execute("INSERT INTO pending_task (task_id) VALUES (%s)", [task_id])

    def reset(self, world, *, now, chance):
        # A chance of their own: how many statements the program has changes nothing else in a night.
        self.places = random.Random(self.name)
        super().reset(world, now=now, chance=chance)

    def empty(self):
        # New files make a night independent of what the nights before it have left in the old ones.
        touched = self._touched()
        statements = [f"TRUNCATE {', '.join(touched)}"]
        statements += [f"INSERT INTO {table} TABLE born.{table}" for table in touched if table in self._born_with]
        self._auditor.execute("; ".join(statements))

    def _touched(self):
        """Return the tables that have had rows since they were emptied."""
        tables = self.rows(f"""
            SELECT relname FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> '{CALENDAR}'
                AND pg_relation_size(oid) > 0
            ORDER BY relname
        """)
        return [table for (table,) in tables]

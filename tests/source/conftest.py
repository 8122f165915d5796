"""A pending table on every engine, a clock that the test sets, and runs that share the table."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine, event, select, text

from etl.database.connections import open_engine
from etl.database.migrations import upgrade
from etl.source.queue import Queue
from etl.source.schema import queue_schema
from etl.source.tables import pending_table
from etl.tasks import ID_EPOCH_MS, ID_TIME_SHIFT, Selection, Settlement, TaskState, milliseconds
from tests.places import QUEUES
from tests.source.leavers import Leavers

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


EXPLAIN = {
    "sqlite": "EXPLAIN QUERY PLAN",
    "postgresql": "EXPLAIN (FORMAT JSON)",
    "mysql": "EXPLAIN FORMAT=JSON",
}

COUNTING = {"postgresql": "ANALYZE pending_task", "mysql": "ANALYZE TABLE pending_task"}
"""What gathers the statistics by which a server plans."""


class Board:
    """The pending table, and runs that claim from it at the test's times."""

    def __init__(self, engine, table):
        self.engine = engine
        self.table = table
        self.now = NOON

    @staticmethod
    def at(minute):
        """Return noon and so many minutes."""
        return NOON + timedelta(minutes=minute)

    @staticmethod
    def id_at(instant, number=0):
        """Return a task ID that was made at an instant."""
        return str((milliseconds(instant) - ID_EPOCH_MS << ID_TIME_SHIFT) + number)

    def execute(self, statement, **values):
        with self.engine.begin() as connection:
            return connection.execute(text(statement), values)

    def clear(self):
        """Empty the table; on PostgreSQL without dead rows, which later examples would have to skip."""
        truncates = self.engine.dialect.name == "postgresql"
        self.execute("TRUNCATE pending_task" if truncates else "DELETE FROM pending_task")

    def add(self, *task_ids, **values):
        """Insert rows as any program may, with or without the time of their submission."""
        columns = ["task_id", *values]
        statement = f"INSERT INTO pending_task ({', '.join(columns)}) VALUES (:{', :'.join(columns)})"
        with self.engine.begin() as connection:
            connection.execute(text(statement), [{"task_id": each, **self._writable(values)} for each in task_ids])

    def fill(self, tasks):
        """Add many tasks, and let the server count them now: by itself it does so at some moment of a test."""
        self.add(*map(str, range(1, tasks + 1)))
        if counting := COUNTING.get(self.engine.dialect.name):
            self.execute(counting)

    def _writable(self, values):
        """Return values as a program writes them: MySQL's times have no zone, so the program converts them to UTC."""
        submitted_at = values.get("submitted_at")
        if self.engine.dialect.name != "mysql" or submitted_at is None:
            return values
        try:
            instant = datetime.fromisoformat(submitted_at.replace(" +", "+"))
        except ValueError:
            return values
        return values | {
            "submitted_at": instant.astimezone(UTC).replace(tzinfo=None) if instant.tzinfo else submitted_at
        }

    def queue(self, owner="run-1", *, lease_minutes=5, **selection):
        """Open the table for a run that begins now."""
        return Queue(
            self.engine,
            self.table,
            Selection(**selection),
            owner=owner,
            lease=timedelta(minutes=lease_minutes),
            clock=lambda: self.now,
            claims_allowed=5,
        )

    def settled(self, task, state=TaskState.DONE, *, error=None):
        """Return the settlement of a task by a run, now."""
        return Settlement(task=task, state=state, settled_at=self.now, error=error)

    def still_open(self, task, *, minutes, status=1, looks=0):
        """Return the settlement of a task that is open now, and due again after some minutes."""
        due_at = self.now + timedelta(minutes=minutes)
        return Settlement(
            task=task,
            state=TaskState.PENDING,
            settled_at=self.now,
            status=status,
            unchanged_looks=looks,
            next_check_at=due_at,
        )

    def rows(self):
        with self.engine.connect() as connection:
            return self.rows_seen_by(connection)

    def rows_seen_by(self, connection):
        found = connection.execute(select(self.table)).mappings().all()
        return {row["task_id"]: dict(row) for row in found}

    def row(self, task_id):
        return self.rows()[task_id]

    def explain(self, do, **settings):
        """Return the engine's plans of the statements that a function executes, by its settings of a session."""
        statements = []

        def remember(_connection, _cursor, statement, parameters, _context, _many):
            statements.append((statement, parameters))

        event.listen(self.engine, "before_cursor_execute", remember)
        do()
        event.remove(self.engine, "before_cursor_execute", remember)
        how = EXPLAIN[self.engine.dialect.name]
        with self.engine.connect() as connection:
            answers = []
            for name, value in settings.items():
                connection.exec_driver_sql(f"SET LOCAL {name} = {value}")
            for statement, values in statements:
                if statement.startswith("SET LOCAL"):
                    connection.exec_driver_sql(statement)
                elif "pending_task" in statement:
                    answers += connection.exec_driver_sql(f"{how} {statement}", values).all()
        return json.dumps([list(row) for row in answers])


def ids(tasks):
    return [task.task_id for task in tasks]


@pytest.fixture(name="ids")
def _ids():
    """The IDs of tasks, in their order."""
    return ids


@pytest.fixture(scope="session", params=QUEUES)
def lasting_board(request, tmp_path_factory):
    """One pending table per engine, since migrating is slower than emptying."""
    url = f"sqlite:///{tmp_path_factory.mktemp('queue')}/pending.sqlite"
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres_server").get_uri()
        administration = create_engine(
            server.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
        )
        with administration.connect() as connection:
            connection.exec_driver_sql("CREATE DATABASE queue")
        administration.dispose()
        url = server.replace("/postgres?", "/queue?")
    if request.param == "mysql":
        url = request.getfixturevalue("lasting_mysql")("queue")
    table = pending_table("pending_task")
    engine = open_engine(SecretStr(url), name="the pending database", create=True)
    upgrade(engine, queue_schema(table))
    yield Board(engine, table)
    engine.dispose()


@pytest.fixture
def board(lasting_board):
    """An empty pending table at noon."""
    lasting_board.clear()
    lasting_board.now = NOON
    return lasting_board


@pytest.fixture
def leavers(queue_url):
    """An empty database of a user."""
    leavers = Leavers(queue_url)
    yield leavers
    leavers.engine.dispose()


@pytest.fixture
def postgres_leavers(postgres_url):
    leavers = Leavers(SecretStr(postgres_url))
    yield leavers
    leavers.engine.dispose()

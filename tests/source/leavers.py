"""A table of the user, which a run may only read."""

from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import text

from etl.database.connections import open_engine
from etl.settings.model import SourceSettings
from etl.source.read_only import ReadOnlySource, user_relation
from etl.tasks import ID_EPOCH_MS, ID_TIME_SHIFT, Selection, milliseconds

MORNING = datetime(2026, 11, 1, tzinfo=UTC)


def all_of(source, limit):
    tasks = []
    while claimed := source.claim(limit):
        assert len(claimed) <= limit
        tasks += claimed
    return tasks


def id_at(instant, number=0):
    return str((milliseconds(instant) - ID_EPOCH_MS << ID_TIME_SHIFT) + number)


class Leavers:
    """A user's database, and the source that reads it."""

    def __init__(self, url):
        self.url = url
        self.engine = open_engine(url, name="the user's database", create=url.get_secret_value().startswith("sqlite"))

    def execute(self, statement, **values):
        with self.engine.begin() as connection:
            return connection.execute(text(statement), values)

    def make(self, id_type="TEXT", time_type="TEXT"):
        self.execute(f"CREATE TABLE leaver (id {id_type}, ordered {time_type}, status TEXT)")

    def add(self, task_id, ordered=None, status="open"):
        values = ", ".join("NULL" if value is None else f"'{value}'" for value in (task_id, ordered, status))
        with self.engine.begin() as connection:
            connection.exec_driver_sql(f"INSERT INTO leaver VALUES ({values})")

    def rows(self):
        with self.engine.connect() as connection:
            return connection.execute(text("SELECT * FROM leaver")).all()

    @contextmanager
    def source(self, *, settled=(), since=None, until=None, url=None, **settings):
        words = {"table": "leaver", "task_id_column": "id", "submitted_at_column": "ordered", **settings}
        from_table = SourceSettings(url=self.url, mode="read_only", **words)
        relation, careful = user_relation(from_table), user_relation(from_table, careful=True)
        engine = open_engine(url or self.url, name="the pending database")
        selection = Selection(since=since, until=until)
        try:
            yield ReadOnlySource(
                engine, relation, selection, settled=lambda page: set(page) & set(settled), careful=careful
            )
        finally:
            engine.dispose()

    def claim(self, **settings):
        with self.source(**settings) as source:
            source.check()
            return all_of(source, 2)

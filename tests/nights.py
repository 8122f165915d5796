"""A configured installation, its stand-in API, and questions about what a night has left."""

import time
from datetime import UTC, datetime, timedelta

from msgspec import UNSET
from sqlalchemy import text

from etl.database.connections import open_engine
from etl.runs import begin_run
from etl.tasks import Selection, is_valid_task_id
from etl.warehouse.load.loader import Warehouse
from tests import processes

TOKEN = "Bearer CANARY-5f1d0c"
FIRST_ID = 1534087020903704704
FINISHED, OPEN = (2, 3), (0, 1)

BUSY = """
    SELECT COUNT(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND state <> 'idle'
    AND datname = current_database() AND pid <> pg_backend_pid()
"""
"""The sessions of a database that are in a transaction."""


def task_ids(number):
    return [str(FIRST_ID + (each << 23)) for each in range(number)]


def in_an_hour():
    """A time as SQLite stores it."""
    return f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%d %H:%M:%S.%f}"


class Night:
    """A configured installation and its stand-in API."""

    def __init__(self, api, run, folder, source_url, warehouse_url):
        self._folder = folder
        self.api = api
        self.run = run
        self._urls = {"source": source_url, "warehouse": warehouse_url}

    @property
    def warehouse_is_locked(self):
        """Whether a run keeps all others out for as long as it lives."""
        return self._urls["warehouse"].get_secret_value().startswith("duckdb")

    def start(self, *arguments, **how):
        """Start a command in a process of its own."""
        return processes.start(arguments, folder=self._folder, **how)

    def enqueue(self, *ids):
        """Add IDs as a person does, and texts that are no IDs as a program may."""
        file = self._folder / "ids.txt"
        file.write_text("\n".join(filter(is_valid_task_id, ids)), encoding="utf-8")
        assert self.run("enqueue", "--file", file, "--allow-rounded").exit_code == 0
        for task_id in ids:
            if not is_valid_task_id(task_id):
                self.change("INSERT INTO pending_task (task_id) VALUES (:task_id)", task_id=task_id)

    def rows(self, query, where="warehouse"):
        engine = open_engine(self._urls[where], name=where)
        with engine.connect() as connection:
            found = [tuple(row) for row in connection.execute(text(query))]
        engine.dispose()
        return found

    def change(self, statement, where="source", **values):
        engine = open_engine(self._urls[where], name=where)
        with engine.begin() as connection:
            connection.execute(text(statement), values)
        engine.dispose()

    def note_killed_run(self):
        """Leave the row of a run that began and never ended."""
        engine = open_engine(self._urls["warehouse"], name="warehouse")
        Warehouse(engine).start(begin_run(Selection(), max_rate=1, now=datetime.now(UTC)))
        engine.dispose()

    def wait_until_idle(self):
        """Wait until the servers have ended what a killed run has sent: its last COMMIT may be under way."""
        for where, url in self._urls.items():
            while url.get_secret_value().startswith("postgresql") and self.rows(BUSY, where) != [(0,)]:
                time.sleep(0.02)  # another process is at work, on its own clock

    def facts(self):
        return {
            task_id: rest for task_id, *rest in self.rows("SELECT task_id, status, result_code FROM fact_task_status")
        }

    def states(self):
        return dict(self.rows("SELECT task_id, state FROM pending_task", "source"))

    def truth(self, ids):
        described = {task_id: self.api.world.task(task_id) for task_id in ids}
        return {
            task_id: [task.status, None if task.result_code is UNSET else task.result_code]
            for task_id, task in described.items()
        }

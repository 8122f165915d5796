"""Real parts for every test: a PostgreSQL server from a wheel, DuckDB and SQLite files, the stand-in API over HTTP."""

import gc
import os
import shutil
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings
from pydantic import SecretStr

from etl.__main__ import GC_THRESHOLD
from etl.error_codes import Code
from etl.errors import TransientError
from etl.fake_api import Behaviour, running_in_thread
from etl.redaction import Secrets
from tests import mysql_server
from tests.mysql_server import MYSQL
from tests.nights import TOKEN, Night
from tests.templates import Templates

# A test has no time limit of its own: a busy machine would fail it.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

pytest_plugins = ["tests.marks", "tests.places", "tests.object_store", "tests.crash.figures", "tests.sql.roles"]

each_engine = pytest.mark.parametrize(
    "databases", ["sqlite+duckdb", *(f"one {engine}" for engine in ("sqlite", "postgresql", *MYSQL))], indirect=True
)
"""For what is the same wherever the other table is: each engine once in each part, not each pair."""

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


HAS_NAMESPACES = bool(shutil.which("unshare")) and not subprocess.call(
    ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "true"], stderr=subprocess.DEVNULL
)
"""Whether a test may make a container of its own."""


MAX_WORKERS = 8
"""Each has servers of its own."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """Two to a core, since many tests wait for processes of their own."""
    return min(2 * (os.cpu_count() or 1), MAX_WORKERS)


MEMORY = Path("/dev/shm")  # noqa: S108 - shared memory is what is wanted
ROOM_BYTES = 4 << 30


def pytest_configure():
    """Keep the databases in memory where the machine has room: no test needs its data on a disk."""
    if "TMPDIR" not in os.environ and MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and _has_room(MEMORY):
        tempfile.tempdir = os.environ["TMPDIR"] = str(MEMORY)


def _has_room(folder):
    # Some tests write programs and run them, which a container's own /dev/shm forbids.
    runs_programs = not os.statvfs(folder).f_flag & os.ST_NOEXEC
    return runs_programs and shutil.disk_usage(folder).free > ROOM_BYTES


def pytest_collection_finish():
    """Keep the collector from going through thousands of tests again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)


def pytest_report_header():
    if mysql_server.SERVER:
        return f"MySQL: {mysql_server.SERVER}"
    return "MySQL: NOT TESTED - no mariadbd or mysqld on this machine; install mariadb-server-core"


NOT_EVERYWHERE = {
    "systemd-analyze": "THE SYSTEMD UNITS",
    "kubectl": "KUSTOMIZE'S OVERLAYS",
    "promtool": "WHEN ALERTS FIRE",
    "unshare": "THE FIRST PROCESS OF A CONTAINER",
}
"""Programs that tests use where the machine has them, and what is not tested where it has not."""


def pytest_terminal_summary(terminalreporter):
    for program, subject in NOT_EVERYWHERE.items():
        if not shutil.which(program):
            terminalreporter.write_line(f"{subject} NOT TESTED: no {program} here", yellow=True, bold=True)
    if not HAS_NAMESPACES:
        terminalreporter.write_line("THE PROGRAM IN A CONTAINER NOT TESTED: no namespaces", yellow=True, bold=True)
    if not mysql_server.SERVER:
        terminalreporter.write_line("MySQL NOT TESTED: no mariadbd or mysqld on this machine", yellow=True, bold=True)
    if not CHROMIUM:
        terminalreporter.write_line(
            "THE REPORT AND THE SITE IN A BROWSER NOT TESTED: no chromium here", yellow=True, bold=True
        )


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch):
    for name in [name for name in os.environ if name.startswith("TASK_AUDIT_")]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _no_secrets_of_others(monkeypatch):
    monkeypatch.setattr("etl.redaction.PROCESS_SECRETS", Secrets())


@pytest.fixture
def lose_answer(monkeypatch):
    """Let the next commit of an engine happen, and its answer be lost with the connection: ``lose_answer(engine)``."""

    def lose(engine):
        commit = engine.dialect.do_commit

        def commit_unheard(connection):
            commit(connection)
            monkeypatch.setattr(engine.dialect, "do_commit", commit)
            raise TransientError("The connection was lost.", code=Code.DATABASE_UNAVAILABLE, remedy="Wait.")

        monkeypatch.setattr(engine.dialect, "do_commit", commit_unheard)

    return lose


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture
def patient_reports(monkeypatch):
    """Let reports take longer than two seconds, which a loaded machine may need to open a database."""
    monkeypatch.setattr("etl.jobs.reporters.MAX_REPORTING_SECONDS", 10.0)
    monkeypatch.setattr("etl.jobs.reporters.SEND_SECONDS", 9.0)
    monkeypatch.setattr("etl.jobs.metrics.SEND_SECONDS", 9.0)


MAX_LEFT_BEHIND_SECONDS = 10


@pytest.fixture
def task_audit(monkeypatch, capfd):
    """Run a command in this process as the console script would, and give back what it printed and its exit code."""
    left_behind = set()

    def run(*arguments):
        from etl.cli import main

        # A report that took too long is left to its thread, which would end with the process. Here it would disturb the
        # next command.
        while left_behind:
            left_behind.pop().join(MAX_LEFT_BEHIND_SECONDS)
        monkeypatch.setattr("sys.argv", ["task-audit", *map(str, arguments)])
        capfd.readouterr()
        started_before = set(threading.enumerate())
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capfd.readouterr()
        left_behind.update(set(threading.enumerate()) - started_before)
        return Result(ended.value.code or 0, printed.out, printed.err)

    return run


@pytest.fixture
def configure(monkeypatch):
    """Set settings by their environment variables: ``configure(api__token="t")``."""

    def set_variables(**settings):
        for name, value in settings.items():
            monkeypatch.setenv(f"TASK_AUDIT_{name.upper()}", str(value))

    return set_variables


@pytest.fixture(scope="session")
def templates(tmp_path_factory):
    """Databases that are set up, to be copied."""
    return Templates(tmp_path_factory.mktemp("templates"))


def _is_usual():
    """Whether the databases hold what an init makes of nothing but their URLs."""
    of_databases = ("TASK_AUDIT_SOURCE__", "TASK_AUDIT_WAREHOUSE__")
    return not any(name.startswith(of_databases) and not name.endswith("__URL") for name in os.environ)


@pytest.fixture
def night_of(task_audit, configure, tmp_path, templates):
    """Open a night over given databases, which are set up where they are not yet.

    By default two files of SQLite: DuckDB plans for millions of rows, and a run over those of a test costs it thrice.
    """

    @contextmanager
    def open_night(behaviour=None, source_url=None, warehouse_url=None, **settings):
        source = source_url or SecretStr(f"sqlite:///{tmp_path}/pending.sqlite")
        warehouse = warehouse_url or SecretStr(f"sqlite:///{tmp_path}/warehouse.sqlite")
        with running_in_thread(behaviour or Behaviour(token=TOKEN)) as api:
            configure(
                source__url=source.get_secret_value(),
                warehouse__url=warehouse.get_secret_value(),
                api__base_url=api.base_url,
                api__user_id="1505084218764547200",
                api__token=TOKEN,
                **{"api__max_rate": 100_000, "run__recheck_seconds": 0} | settings,
            )
            if not (_is_usual() and templates.set_up(source, warehouse)):
                assert task_audit("init").exit_code == 0
            yield Night(api, task_audit, tmp_path, source, warehouse)

    return open_night

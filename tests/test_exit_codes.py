"""Each exit code, provoked from outside in a process of its own, as the caller sees it."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager

import pytest

from etl.cli.signals import SAME_SIGNAL_SECONDS
from etl.exit_codes import ExitCode
from etl.fake_api import Behaviour, running_in_thread
from etl.jobs.opening import initialize
from etl.settings.load import Settings
from tests.nights import FIRST_ID, TOKEN

DIED_BY_SIGNAL = {128 + signal.SIGINT, 128 + signal.SIGTERM}

PROBE_TASK = "http://127.0.0.1:9"
"""A port of this machine where no server listens."""


@pytest.fixture(scope="module")
def apis():
    """One that answers, and one that has not answered yet."""
    with (
        running_in_thread(Behaviour(token=TOKEN)) as honest,
        running_in_thread(Behaviour(token=TOKEN, latency_seconds=60)) as silent,
    ):
        yield honest, silent


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    folder = tmp_path_factory.mktemp("empty")
    urls = {section: f"sqlite:///{folder}/{section}.sqlite" for section in ("source", "warehouse")}
    initialize(Settings.model_validate({section: {"url": url} for section, url in urls.items()}))
    return folder


class Installation:
    """A folder in which the job has one task to audit."""

    def __init__(self, folder, apis):
        self.folder = folder
        self.honest, self.silent = (api.base_url for api in apis)
        self.stats_of_silent = apis[1].stats
        self.settings = {
            "source__url": "sqlite:///source.sqlite",
            "warehouse__url": "sqlite:///warehouse.sqlite",
            "api__base_url": self.honest,
            "api__user_id": "1",
            "api__token": TOKEN,
            "api__attempts": "1",
        }
        self.change("source", f"INSERT INTO pending_task (task_id) VALUES ('{FIRST_ID}')")

    def change(self, database, statement):
        with closing(sqlite3.connect(self.folder / f"{database}.sqlite")) as connection, connection:
            connection.execute(statement)

    def run(self, *arguments, **settings):
        with self.running(*arguments, **settings) as process:
            process.communicate(timeout=60)
        return process.returncode

    @contextmanager
    def running(self, *arguments, **settings):
        variables = {f"TASK_AUDIT_{name.upper()}": value for name, value in (self.settings | settings).items()}
        process = subprocess.Popen(
            [sys.executable, "-m", "etl", "run", *arguments],
            cwd=self.folder,
            env=os.environ | variables,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def interrupt(self, number, *, times):
        """Start a run whose question is not answered; signal it when it has begun, and when it is stopping."""
        asked_before = self.stats_of_silent.requests
        with self.running(api__base_url=self.silent, api__timeout_seconds="60") as process:
            for event in ("run_started", "stopping")[:times]:
                assert any(f'"{event}"' in line for line in process.stderr)
                while self.stats_of_silent.requests == asked_before:
                    time.sleep(0.02)  # another process is at work, on its own clock
                if event == "stopping":
                    time.sleep(1.1 * SAME_SIGNAL_SECONDS)  # another process is at work, on its own clock
                process.send_signal(number)
            process.communicate(timeout=30)
        return process.returncode


@pytest.fixture
def installation(empty, tmp_path, apis):
    folder = tmp_path / "job"
    shutil.copytree(empty, folder)
    return Installation(folder, apis)


def enqueue_nonsense(job):
    job.change("source", "INSERT INTO pending_task (task_id) VALUES ('no-number')")
    return job.run()


def refuse_facts(job):
    """Add a rule to our tables that the job cannot foresee."""
    job.change(
        "warehouse",
        "CREATE TRIGGER rule BEFORE INSERT ON fact_task_status BEGIN SELECT RAISE(ABORT, 'not today'); END",
    )
    return job.run()


PROVOKED = {
    "nothing": (ExitCode.OK, lambda job: job.run()),
    "not a date": (ExitCode.USAGE, lambda job: job.run("--since", "11/01/2026")),
    "not a task": (ExitCode.DEAD_LETTERS, enqueue_nonsense),
    "an API that is down": (ExitCode.UNAVAILABLE, lambda job: job.run(api__base_url=PROBE_TASK)),
    "a warehouse that is down": (
        ExitCode.UNAVAILABLE,
        lambda job: job.run(warehouse__url="postgresql://u@127.0.0.1:9/d"),
    ),
    "a rule in the warehouse that refuses facts": (ExitCode.BUG, refuse_facts),
    "SIGTERM": (ExitCode.STOPPED, lambda job: job.interrupt(signal.SIGTERM, times=1)),
    "a time that is up": (
        ExitCode.STOPPED,
        lambda job: job.run("--max-duration", "1s", api__base_url=job.silent),
    ),
    "a wrong token": (ExitCode.CREDENTIALS, lambda job: job.run(api__token="Bearer wrong")),
    "an unknown key": (ExitCode.CONFIGURATION, lambda job: job.run(api__tokn="x")),
    "a database without tables": (
        ExitCode.CONFIGURATION,
        lambda job: [(job.folder / "warehouse.sqlite").write_bytes(b""), job.run()][1],
    ),
    "SIGINT twice": (130, lambda job: job.interrupt(signal.SIGINT, times=2)),
    "SIGTERM twice": (143, lambda job: job.interrupt(signal.SIGTERM, times=2)),
}
"""What is done to a run, and the code that it ends with."""


def test_every_exit_code_is_provoked():
    assert {code for code, _ in PROVOKED.values()} == set(ExitCode) | DIED_BY_SIGNAL


@pytest.mark.parametrize("provocation", PROVOKED)
def test_a_provocation_ends_with_its_code(installation, provocation):
    code, provoke = PROVOKED[provocation]

    assert provoke(installation) == code

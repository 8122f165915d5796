"""The first signal ends a run cleanly, and a second one at once; signals within a second are one signal."""

import json
import shutil
import signal
import subprocess
import sys
import time

import pytest

from etl.cli.signals import SAME_SIGNAL_SECONDS, SignalHandler
from etl.error_codes import Code
from etl.errors import StoppedError
from etl.fake_api import Behaviour
from etl.shutdown import Shutdown
from tests.nights import TOKEN, task_ids

TERM, INTERRUPT = signal.SIGTERM, signal.SIGINT


def received(*signals, shutdown=None):
    """Give a handler signals at instants of its clock; returns the shutdown and the codes with which it ended."""
    now, ends = 0.0, []
    shutdown = shutdown or Shutdown()
    handler = SignalHandler(shutdown, clock=lambda: now, end=ends.append)
    for now, number in signals:  # noqa: B007 - the clock reads it
        handler.receive(number)
    return shutdown, ends


@pytest.mark.parametrize("second", [TERM, INTERRUPT])
@pytest.mark.parametrize("after", [0.0, 0.003, SAME_SIGNAL_SECONDS - 0.001])
def test_a_signal_that_arrives_twice_within_a_second_ends_nothing_at_once(second, after):
    shutdown, ends = received((50.0, TERM), (50.0 + after, second), (50.0 + after, second))
    assert (shutdown.reason.message, ends) == ("Stopped by SIGTERM.", [])


@pytest.mark.parametrize(("second", "code"), [(TERM, 143), (INTERRUPT, 130)])
def test_a_second_signal_ends_the_program_at_once(second, code):
    assert received((50.0, INTERRUPT), (50.0 + SAME_SIGNAL_SECONDS, second))[1] == [code]


def test_a_wrapper_that_sends_each_signal_twice_sends_the_second_one_twice_too():
    assert received((50.0, TERM), (50.001, TERM), (60.0, TERM), (60.001, TERM))[1] == [143, 143]


def test_the_first_signal_does_not_end_a_run_at_once_that_stops_already():
    """An example is `timeout 2h task-audit run --max-duration 2h`: the deadline comes a moment before the signal."""
    shutdown = Shutdown()
    time_is_up = StoppedError("The time for this run is up.", code=Code.STOPPED_BY_TIME, remedy="Go on.")
    shutdown.request(time_is_up)
    assert received((50.0, TERM), (50.001, TERM), shutdown=shutdown) == (shutdown, [])
    assert shutdown.reason is time_is_up


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("timeout"), reason="no GNU timeout here")
def test_gnu_timeout_ends_a_run_cleanly(night_of, tmp_path):
    command = ["timeout", "--preserve-status", "600", sys.executable, "-m", "etl", "run", "--json"]
    with night_of(Behaviour(token=TOKEN, latency_seconds=0.2), api__concurrency=4) as night:
        night.enqueue(*task_ids(2_000))
        with subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as program:
            while not night.api.stats.requests:
                assert program.poll() is None
                time.sleep(0.02)  # Another process runs, on its own clock.
            # When its time is up, `timeout` does the same: it signals its child, and then its process group.
            program.send_signal(signal.SIGTERM)
            stdout, stderr = program.communicate(timeout=60)
        assert program.returncode == 75, stderr
        assert json.loads(stdout)["error"].startswith("[stopped-by-signal] Stopped by SIGTERM.")
        assert night.rows("SELECT outcome, exit_code FROM audit_run") == [("stopped", 75)]
        assert night.rows("SELECT count(*) FROM pending_task WHERE lease_owner IS NOT NULL", "source") == [(0,)]

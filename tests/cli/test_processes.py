"""`run --processes`: several runs of one night side by side, in processes of their own, on a real server."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from etl.exit_codes import ExitCode, worst
from etl.fake_api import Behaviour
from tests.nights import TOKEN, task_ids

COMMAND = [sys.executable, "-m", "etl", "run", "--json", "--log-format", "json", "--processes", "2"]


@pytest.fixture
def shared_night(night_of, postgres_url):
    """Open a night over one database of a server."""

    def open_night(latency=0.0, **settings):
        url = SecretStr(postgres_url)
        return night_of(Behaviour(token=TOKEN, latency_seconds=latency), url, url, **settings)

    return open_night


def started(*options, stdout=subprocess.PIPE):
    return subprocess.Popen([*COMMAND, *options], stdout=stdout, stderr=subprocess.PIPE, text=True)


def children_of(process):
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("ascii").split()]


def wait_until(is_true, process):
    while not is_true():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)  # other processes run, on their own clocks


def both_run(night):
    return night.rows("SELECT COUNT(DISTINCT lease_owner) FROM pending_task", "source") == [(2,)]


@pytest.mark.postgresql
@pytest.mark.slow
def test_two_runs_share_the_tasks_and_are_reported_as_one_night(shared_night):
    ids = task_ids(300)
    with shared_night(latency=0.05, api__concurrency=8, run__batch_size=50) as night:
        night.enqueue(*ids)
        with started() as program:
            stdout, stderr = program.communicate(timeout=120)

        assert program.returncode in {0, 65}, stderr
        rows = night.rows("SELECT run_id, audited, requests FROM audit_run ORDER BY run_id")
        (summed,) = map(json.loads, stdout.splitlines())
        assert sorted((row["run_id"], row["audited"], row["requests"]) for row in summed["runs"]) == rows
        assert len(rows) == 2
        assert (summed["run_id"], summed["exit_code"]) == ("2 runs", program.returncode)
        assert summed["requests"] == sum(requests for _, _, requests in rows)
        assert len(night.facts()) == len({*night.facts()} & {*ids})
        assert set(night.api.stats.asks) == set(ids)


@pytest.mark.postgresql
@pytest.mark.slow
def test_the_exit_code_of_the_night_outlives_a_reader_that_has_gone(shared_night):
    reader, writer = os.pipe()
    os.close(reader)
    with shared_night() as night:
        night.change("INSERT INTO pending_task (task_id) VALUES ('no-number')")
        with started(stdout=writer) as program:
            os.close(writer)
            _, stderr = program.communicate(timeout=60)

        assert program.returncode == 65, stderr
        assert '"output_not_written"' in stderr


@pytest.mark.postgresql
@pytest.mark.slow
def test_a_killed_process_stops_no_other_and_its_tasks_are_taken_over(shared_night):
    ids = task_ids(400)
    with shared_night(latency=0.1, api__concurrency=4, run__batch_size=50, run__lease_seconds=6) as night:
        night.enqueue(*ids)
        with started() as program:
            wait_until(lambda: both_run(night), program)
            os.kill(children_of(program)[0], signal.SIGKILL)
            stdout, stderr = program.communicate(timeout=120)

        assert program.returncode == 75, stderr
        assert '"event":"process_died"' in stderr.replace(" ", "")
        assert [len(json.loads(stdout)["runs"]), set(night.states().values()) & {"done", "dead"} != set()] == [1, True]
        assert night.rows("SELECT COUNT(*) FROM pending_task WHERE lease_owner IS NOT NULL", "source") == [(0,)]
        assert set(night.api.stats.asks) == set(ids)


@pytest.mark.postgresql
@pytest.mark.slow
def test_a_signal_ends_all_of_them_cleanly(shared_night):
    with shared_night(latency=0.2, api__concurrency=4, run__batch_size=50) as night:
        night.enqueue(*task_ids(1_000))
        with started() as program:
            wait_until(lambda: both_run(night), program)
            program.send_signal(signal.SIGTERM)
            stdout, stderr = program.communicate(timeout=60)

        assert program.returncode == 75, stderr
        assert json.loads(stdout)["error"].startswith("[stopped-by-signal] Stopped by SIGTERM.")
        assert night.rows("SELECT outcome, exit_code FROM audit_run") == [("stopped", 75)] * 2
        assert night.rows("SELECT COUNT(*) FROM pending_task WHERE lease_owner IS NOT NULL", "source") == [(0,)]


@pytest.mark.postgresql
@pytest.mark.slow
def test_a_limit_is_divided_and_a_table_of_the_user_by_shards(shared_night, task_audit):
    with shared_night(source__table="my_tasks", source__mode="read_only") as night:
        night.change("CREATE TABLE my_tasks AS SELECT generate_series(1, 0)::text AS task_id")
        for task_id in task_ids(40):
            night.change("INSERT INTO my_tasks VALUES (:task_id)", task_id=task_id)
        with started("--limit", "9") as program:
            stdout, stderr = program.communicate(timeout=60)

        assert program.returncode in {0, 65, 75}, stderr
        runs = json.loads(stdout)["runs"]
        assert sorted(run["claimed"] for run in runs) == [4, 5]
        assert len(night.api.stats.asks) == 9
        assert json.loads(stdout)["max_rate"] == sum(run["max_rate"] for run in runs)
        assert task_audit("run", "--processes", "2", "--shard", "0/2").exit_code == 2


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_databases_in_files_and_dry_runs_are_refused(night_of, task_audit, options):
    with night_of():
        refused = task_audit("run", "--processes", "2", *options)

    assert refused.exit_code == 2
    assert "--processes" in refused.stderr


def test_the_worst_end_is_the_exit_code():
    assert worst({ExitCode.OK, ExitCode.DEAD_LETTERS}) == ExitCode.DEAD_LETTERS
    assert worst({ExitCode.STOPPED, ExitCode.UNAVAILABLE, ExitCode.OK}) == ExitCode.UNAVAILABLE
    assert worst({ExitCode.STOPPED, ExitCode.BUG}) == ExitCode.BUG
    assert worst(set()) == ExitCode.OK

"""Nights on which the API is down, throttles, or sends unreadable responses: whole runs over real HTTP.

How the pool behaves over hours is tested on virtual time, in ``fetch/test_gate.py``.
"""

import json
import subprocess
import sys

import pytest

from etl.fake_api import Behaviour, Fault
from tests.nights import TOKEN, task_ids
from tests.processes import PEAK_KIB

APP = {"api__auth": "app", "api__app_id": "a378331e", "api__app_secret": "CANARY-s3cret"}
MIB = 1 << 20


def test_a_full_outage_leaves_every_task_as_it_was(night_of):
    ids = task_ids(5_000)
    with night_of(Behaviour(outages=((0, 3600),)), api__patience_seconds=6) as night:
        night.enqueue(*ids)
        row = json.loads(night.run("run", "--json").stdout)
        assert row["exit_code"] == 69
        assert row["error"].startswith("[api-unavailable] The API has failed for")
        assert row["requests"] == night.api.stats.requests <= 200
        assert night.rows("SELECT state, attempts, count(*) FROM pending_task GROUP BY 1, 2", "source") == [
            ("pending", 0, 5_000)
        ]
        assert night.rows("SELECT * FROM dead_letter") == []


@pytest.mark.parametrize("fault", ["forbidden", "http_400", "not_found"])
def test_refused_tasks_in_front_of_all_others_stop_no_night(night_of, fault):
    """The program that adds tasks may add some that were never KooDrive's, older than all others."""
    refused, good = task_ids(600)[:100], task_ids(600)[100:]
    with night_of(Behaviour(faults=(Fault(name=fault, task_ids=frozenset(refused)),), token=TOKEN)) as night:
        night.enqueue(*refused, *good)
        row = json.loads(night.run("run", "--json").stdout)
        assert (row["exit_code"], row["audited"], row["dead_lettered"]) == (65, 500, 100)
        assert night.facts() == night.truth(good)
        assert row["requests"] == night.api.stats.requests <= 620


@pytest.mark.parametrize("number", [1, 2, 4, 10, 30])
def test_no_outage_counts_an_attempt_however_small_the_queue(night_of, number):
    ids = task_ids(number + 5)
    with night_of(api__patience_seconds=2, api__attempts=2, run__dead_letter_after=2) as night:
        night.enqueue(*ids[:5])
        assert night.run("run").exit_code == 0
    with night_of(Behaviour(outages=((0, 3600),)), api__patience_seconds=2, api__attempts=2) as night:
        night.enqueue(*ids[5:])
        for _ in range(3):
            assert night.run("run").exit_code == 69
        assert night.rows("SELECT DISTINCT attempts FROM pending_task", "source") == [(0,)]
        assert {night.states()[task_id] for task_id in ids[5:]} == {"pending"}
        assert night.rows("SELECT * FROM dead_letter") == []


def test_an_outage_in_the_middle_keeps_what_was_audited(night_of):
    ids = task_ids(3_000)
    with night_of(Behaviour(outages=((0.3, 3600),), latency_seconds=0.02), api__patience_seconds=6) as night:
        night.enqueue(*ids)
        row = json.loads(night.run("run", "--json").stdout)
        assert row["exit_code"] == 75
        assert 0 < row["audited"] < 3_000
        assert len(night.facts()) == row["audited"]
        assert row["requests"] == night.api.stats.requests < row["audited"] + 200
        assert night.rows("SELECT max(attempts) FROM pending_task", "source") == [(0,)]


def test_all_tasks_are_audited_at_a_flapping_api(night_of, monkeypatch):
    monkeypatch.setattr("etl.run.pipeline.DEFERRED_SECONDS", 1)
    ids = task_ids(1_500)
    behaviour = Behaviour(flap=(4, 2), latency_seconds=0.05)
    with night_of(behaviour, api__max_rate=300) as night:
        night.enqueue(*ids)
        row = json.loads(night.run("run", "--json").stdout)
        assert row["exit_code"] == 0
        assert night.facts() == night.truth(ids)
        assert row["requests"] == night.api.stats.requests <= 1.1 * len(ids)


@pytest.mark.parametrize("silent", [False, True])
def test_a_limit_of_a_quarter_of_the_rate_is_found(night_of, silent):
    """The API does not name its limit, or names it in every refusal; a busy machine can keep up with this one."""
    ids = task_ids(150)
    behaviour = Behaviour(rate=25, silent_limit=silent, latency_seconds=0.03)
    with night_of(behaviour, api__max_rate=100) as night:
        night.enqueue(*ids)
        row = json.loads(night.run("run", "--json").stdout)
        assert row["exit_code"] == 0
        assert night.facts() == night.truth(ids)
        assert row["throttled"] == night.api.stats.throttled <= 0.05 * row["requests"]
        ((per_minute,),) = night.rows("SELECT number FROM audit_run_counter WHERE name = 'ceiling_per_minute'")
        assert 0.85 * 1_500 <= per_minute <= 1.15 * 1_500


@pytest.mark.parametrize("settings", [{"api__token": "Bearer wrong"}, APP], ids=["token", "app"])
def test_a_wrong_secret_leaves_every_task_pending(night_of, configure, settings):
    behaviour = Behaviour(token=TOKEN, app_id="a378331e", app_secret="another", latency_seconds=0.05)
    with night_of(behaviour) as night:
        night.enqueue(*task_ids(2_000))
        configure(**settings)
        result = night.run("run", "--json")
        row = json.loads(result.stdout)
        assert row["exit_code"] == 77
        assert row["requests"] == night.api.stats.requests <= 64 + 3
        assert night.rows("SELECT state, attempts, count(*) FROM pending_task GROUP BY 1, 2", "source") == [
            ("pending", 0, 2_000)
        ]
        assert "CANARY" not in result.stdout + result.stderr


def test_a_wrong_user_makes_no_dead_letter(night_of):
    """Every response is a 400 that seems to be about its task, and so is that of each task that the run probes with."""
    with night_of(Behaviour(faults=(Fault(name="http_400_unknown", rate=1),), latency_seconds=0.01)) as night:
        night.enqueue(*task_ids(500))
        row = json.loads(night.run("run", "--json").stdout)
        assert row["exit_code"] == 78
        assert row["dead_lettered"] == 0
        assert row["requests"] <= 64 + 25 + 5
        assert night.rows("SELECT state, attempts, count(*) FROM pending_task GROUP BY 1, 2", "source") == [
            ("pending", 0, 500)
        ]


MEASURE = f"""
import sys
from etl.cli import main
from etl.run import pipeline
pipeline.DEFERRED_SECONDS = 0.2
sys.argv = ["task-audit", "run", "--json"]
try:
    main()
finally:
    print({PEAK_KIB}, file=sys.stderr)
"""


def peak_bytes(open_night, faults, ids, databases):
    """Run in its own process; returns the row of the run and its peak memory."""
    behaviour = Behaviour(token=TOKEN, faults=faults)
    with open_night(behaviour, *databases, api__timeout_seconds=2, api__attempts=1) as night:
        night.enqueue(*ids)
        ran = subprocess.run([sys.executable, "-c", MEASURE], check=False, capture_output=True, text=True)
    return json.loads(ran.stdout), int(ran.stderr.split()[-1]) * 1024


def test_bombs_and_bodies_without_end_cost_no_memory_and_delay_no_other_task(night_of, two_places):
    ids = task_ids(1_200)
    hostile = ["gzip_bomb", "endless_body", "slow_body", "slow_headers", "stall", "oversized", "many_headers"]
    faults = tuple(Fault(name=name, task_ids=frozenset(ids[start::60])) for start, name in enumerate(hostile))
    row, peak = peak_bytes(night_of, faults, ids, two_places("sqlite+sqlite"))
    # The databases are new, and need no more memory than those two.
    _, plain = peak_bytes(night_of, (), ids, two_places("one sqlite"))
    assert row["audited"] == len(ids) - len(hostile) * (len(ids) // 60)
    assert peak - plain < 64 * MIB, (peak, plain)


@pytest.mark.parametrize("tasks", [2_500, pytest.param(5_000, marks=pytest.mark.soak)])
def test_answers_of_the_greatest_length_cost_little_more_memory_than_plain_ones(night_of, two_places, tasks):
    ids = task_ids(tasks)
    long = (Fault(name="long_texts", task_ids=frozenset(ids[::2])), Fault(name="fat_name", rate=1))
    row, peak = peak_bytes(night_of, long, ids, two_places("sqlite+sqlite"))
    _, plain = peak_bytes(night_of, (), ids, two_places("one sqlite"))
    assert row["audited"] == len(ids)
    assert peak - plain < 60 * MIB, (peak, plain)
    assert peak < 200 * MIB

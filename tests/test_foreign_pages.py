"""Nights on which another server responds in place of KooDrive: no task is given up, and the next run audits all."""

import json

import pytest

from etl.fake_api import Behaviour, Fault
from tests.nights import TOKEN, task_ids

NUMBER = 2_000
UNTOUCHED = [("pending", 0, NUMBER)]

FROM_THE_START = {
    "html_200": 69,
    "json_200": 69,
    "html_301": 78,
    "html_302": 69,
    "json_400": 78,
    "html_401": 77,
    "html_403": 77,
    "json_404": 78,
    "html_405": 78,
    "html_407": 77,
    "html_418": 78,
    "json_500": 69,
    "html_511": 69,
}
"""The exit code of a run by the page that it gets."""

IN_MID_RUN = ["html_200", "json_200", "html_302", "html_400", "json_404", "html_404", "html_403", "html_502"]


@pytest.fixture(autouse=True)
def _shorter_waits(monkeypatch):
    monkeypatch.setattr("etl.run.pipeline.DEFERRED_SECONDS", 0.2)
    monkeypatch.setattr("etl.fetch.breaker.FIRST_PAUSE_SECONDS", 0.5)
    monkeypatch.setattr("etl.fetch.gate.UNANSWERED_PATIENCE_SECONDS", 1.0)


def states(night):
    return night.rows("SELECT state, attempts, count(*) FROM pending_task GROUP BY 1, 2", "source")


@pytest.mark.parametrize("page", FROM_THE_START)
def test_a_page_for_every_request_ends_the_run_and_the_next_run_audits_all(night_of, page):
    ids = task_ids(NUMBER)
    behaviour = Behaviour(token=TOKEN, outages=((0, 5),), outage_page=page)
    with night_of(behaviour, api__patience_seconds=1.5) as night:
        night.enqueue(*ids)
        row = json.loads(night.run("run", "--json").stdout)
        assert (row["exit_code"], row["dead_lettered"], row["audited"]) == (FROM_THE_START[page], 0, 0)
        assert row["requests"] == night.api.stats.requests <= 100
        assert states(night) == UNTOUCHED
    with night_of(Behaviour(token=TOKEN)) as night:
        assert night.run("run").exit_code == 0
        assert night.facts() == night.truth(ids)


@pytest.mark.parametrize("page", IN_MID_RUN)
def test_a_page_for_seconds_in_mid_run_costs_no_task(night_of, page):
    ids = task_ids(NUMBER)
    behaviour = Behaviour(token=TOKEN, outages=((2, 4),), outage_page=page, latency_seconds=0.02)
    with night_of(behaviour, api__max_rate=400) as night:
        night.enqueue(*ids)
        row = json.loads(night.run("run", "--json").stdout)
        assert (row["exit_code"], row["dead_lettered"]) == (0, 0)
        assert night.facts() == night.truth(ids)
        assert row["requests"] == night.api.stats.requests <= NUMBER + 200


def test_a_page_by_chance_costs_no_task(night_of):
    ids = task_ids(NUMBER)
    faults = (Fault(name="html_404", rate=0.02), Fault(name="json_200", rate=0.02))
    with night_of(Behaviour(token=TOKEN, faults=faults)) as night:
        night.enqueue(*ids)
        row = json.loads(night.run("run", "--json").stdout)
        assert (row["exit_code"], row["dead_lettered"]) == (0, 0)
        assert night.facts() == night.truth(ids)


def test_a_page_for_one_task_is_its_own_after_repeated_looks_even_if_no_other_task_is_pending(night_of):
    ids = task_ids(10)
    faults = (Fault(name="html_404", task_ids=frozenset(ids[:1])),)
    with night_of(Behaviour(token=TOKEN, faults=faults)) as night:
        night.enqueue(*ids[1:])
        assert night.run("run").exit_code == 0
        night.enqueue(ids[0])
        row = json.loads(night.run("run", "--json").stdout)
        assert (row["exit_code"], row["dead_lettered"]) == (65, 1)
        assert night.rows("SELECT task_id, reason, http_status FROM dead_letter") == [(ids[0], "not_found", 404)]
        assert night.api.stats.asks[ids[0]] == 6

"""Every fault of the stand-in, alone and all together: each fact is true to the stand-in, or is missing."""

import json
from functools import partial

import pytest

from etl.fake_api import Behaviour, Fault
from etl.fake_api.effects import EFFECTS, PAGES
from tests.nights import TOKEN, task_ids

PASSING = {
    "http_408",
    "http_409",
    "http_413_retry_after",
    "http_421",
    "http_423",
    "http_425",
    "http_429",
    "http_500",
    "http_502",
    "http_503",
    "http_504",
    "http_520",
    "throttled_200",
    "throttled_503_code",
    "throttled_absurd",
    "throttled_date",
    "throttled_retry_after",
    "unavailable_retry_after",
    "business_error_200",
    "gateway_error_200",
    "cut_body",
    "cut_chunked",
    "close_kept_alive",
    "many_headers",
    "reset",
    "slow_body",
    "slow_headers",
    "stall",
}
"""Faults without an answer; a repeated request may succeed."""

UNBELIEVABLE = {
    "byte_order_mark",
    "cut_without_length",
    "deep_json",
    "duplicate_keys",
    "empty_body",
    "http_204",
    "html_200",
    "huge_integer",
    "invalid_json",
    "invalid_utf8",
    "lone_surrogate",
    "nan_json",
    "plain_text",
    "truncated_json",
    "wrong_task",
}
"""Faults that are believed at their second sighting."""

FINAL = {
    "endless_body": "too_large",
    "gzip_bomb": "too_large",
    "oversized": "too_large",
    "forbidden": "forbidden",
    "http_400": "rejected",
    "http_400_unknown": "rejected",
    "http_403_plain": "forbidden",
    "http_404": "not_found",
    "http_410": "not_found",
    "http_494": "rejected",
    "http_501": "rejected",
    "http_505": "rejected",
    "not_found": "not_found",
    "redirect": "rejected",
}
"""Lasting faults, with the reason of the dead letter."""

UNRECOGNIZED = {
    "empty_body",
    "endless_body",
    "gzip_bomb",
    "html_200",
    "http_204",
    "http_403_plain",
    "http_410",
    "http_494",
    "http_501",
    "http_505",
    "oversized",
    "plain_text",
    "redirect",
    "wrong_task",
}
"""Without KooDrive's own words about the task; believed after six requests, each with an answer about another task."""

HARMLESS = {
    "changed_type",
    "fat_name",
    "gzip",
    "hostile_text",
    "long_texts",
    "missing_name",
    "text_numbers",
    "unknown_field",
}
"""Faults that change neither status nor result code."""

MISLEADING = {
    "missing_fields": lambda status: [status, None],
    "new_result_code": lambda _status: [3, "18999999"],
    "unknown_status": lambda _status: [7, None],
}
"""Faults that change the answer, with the fact that follows."""

ENDING = {"http_401": 77, "http_403": 77, "http_405": 69, "http_511": 69}
"""Faults of every task, with the exit code of the run."""

SLOW = {"slow_body", "slow_headers", "stall"}

PAUSING = {name for name in PASSING if "throttled" in name or "retry_after" in name or name == "http_429"}
"""Faults that pause all requests for at least a second. They strike consecutive tasks, as in reality."""

IDS = task_ids(1_000)
STRUCK = IDS[10::50]
STRUCK_ONCE = IDS[11::50]
IN_A_ROW = IDS[80:100]


@pytest.fixture(autouse=True)
def _shorter_waits(monkeypatch):
    monkeypatch.setattr("etl.run.pipeline.DEFERRED_SECONDS", 0.2)
    # If the API does not name a pause, pauses double with each refusal, and here are hundreds.
    monkeypatch.setattr("etl.fetch.gate.FIRST_THROTTLED_SECONDS", 0.01)
    monkeypatch.setattr("etl.fetch.gate.MAX_THROTTLED_SECONDS", 0.02)
    # The rate that a refusal names is kept to the end of the night; the gateway's own would make each last ten seconds.
    monkeypatch.setattr("etl.fake_api.effects.throttling.LIMIT", 2_000)


def test_every_fault_is_in_the_matrix():
    kinds = [PASSING, UNBELIEVABLE, FINAL.keys(), HARMLESS, MISLEADING.keys(), ENDING.keys()]
    # The faults of the list have their tests in tests/jobs/test_collect.py.
    assert sorted(name for kind in kinds for name in kind) == sorted(EFFECTS.keys() - PAGES.keys())


@pytest.fixture
def struck_by(night_of, two_places):
    """Run a night in which tasks meet one fault, on one database: other tests compare the engines."""
    return partial(_struck_by, night_of, two_places("one sqlite"))


def _struck_by(night_of, databases, name, *, always=(), once=()):
    faults = (
        Fault(name=name, task_ids=frozenset(always)),
        Fault(name=name, task_ids=frozenset(once), first_asks=1),
    )
    # A busy machine needs more than a second for an honest answer now and then.
    seconds = 3 if name in SLOW else 10
    # With such a latency, all struck requests are sent together and cause one pause.
    latency = 0.05 if name in PAUSING else 0.0
    behaviour = Behaviour(token=TOKEN, faults=faults, latency_seconds=latency)
    with night_of(behaviour, *databases, api__timeout_seconds=seconds) as night:
        night.enqueue(*IDS)
        run = night.run("run", "--json")
        row = json.loads(run.stdout)
        assert row["requests"] == night.api.stats.requests
        assert row["claimed"] == row["audited"] + row["dead_lettered"] + row["released"]
        assert "Traceback" not in run.stderr
        return night, row


@pytest.mark.parametrize("name", sorted(PASSING))
def test_a_passing_fault_costs_a_request_and_no_fact(struck_by, name):
    """The fault strikes 2 % of the tasks, or 1 % if it pauses all requests."""
    night, row = struck_by(name, once=IN_A_ROW if name in PAUSING else STRUCK)
    assert row["exit_code"] == 0
    assert night.facts() == night.truth(IDS)
    assert len(IDS) < row["requests"] <= len(IDS) + 64


@pytest.mark.parametrize("name", sorted(UNBELIEVABLE | FINAL.keys()))
def test_a_lasting_fault_is_a_dead_letter_and_no_fact(struck_by, name):
    """A fault that is believed at its second sighting strikes other tasks once, and costs them a request."""
    once = STRUCK_ONCE if name in UNBELIEVABLE else []
    night, row = struck_by(name, always=STRUCK, once=once)
    honest = [task_id for task_id in IDS if task_id not in STRUCK]
    assert (row["exit_code"], row["dead_lettered"], row["released"]) == (65, len(STRUCK), 0)
    assert night.facts() == night.truth(honest)
    assert all(night.api.stats.asks[task_id] >= 2 for task_id in once)
    letters = dict(night.rows("SELECT task_id, reason FROM dead_letter WHERE resolved_at IS NULL"))
    assert letters == dict.fromkeys(STRUCK, FINAL.get(name, "bad_payload"))
    traces = {trace_id for (trace_id,) in night.rows("SELECT trace_id FROM dead_letter")}
    assert traces <= night.api.stats.trace_ids
    if name in UNRECOGNIZED:
        assert {night.api.stats.asks[task_id] for task_id in STRUCK} == {6}
        return
    if name in UNBELIEVABLE:
        assert all("SHA-256 " in detail for (detail,) in night.rows("SELECT detail FROM dead_letter"))
        assert len(IDS) + len(STRUCK) < row["requests"] <= len(IDS) + len(STRUCK) + 64


@pytest.mark.parametrize("name", sorted(HARMLESS | MISLEADING.keys()))
def test_a_strange_answer_is_a_fact(struck_by, name):
    night, row = struck_by(name, always=STRUCK)
    expected = night.truth(IDS)
    if name in MISLEADING:
        expected.update({task_id: MISLEADING[name](expected[task_id][0]) for task_id in STRUCK})
    assert row["exit_code"] == 0
    assert night.facts() == expected
    drift = dict(night.rows("SELECT name, number FROM audit_run_counter WHERE counter = 'drift'"))
    reported = {what: number for what, number in drift.items() if not what.startswith("new result_code 18000")}
    assert bool(reported) is (name not in {"gzip", "long_texts"})
    assert set(reported.values()) <= {len(STRUCK)}


@pytest.mark.parametrize("name", ENDING)
def test_a_fault_of_every_task_ends_the_run_and_leaves_all_tasks_pending(struck_by, name):
    night, row = struck_by(name, always=STRUCK)
    assert row["exit_code"] == ENDING[name]
    assert night.facts().items() <= night.truth(IDS).items()
    assert night.rows("SELECT * FROM dead_letter") == []
    untouched = "SELECT task_id FROM pending_task WHERE state = 'pending' AND last_checked_at IS NULL"
    assert set(STRUCK) <= {task_id for (task_id,) in night.rows(untouched, "source")}
    assert night.rows("SELECT max(attempts) FROM pending_task", "source") == [(0,)]


TOGETHER = 2_000


@pytest.mark.parametrize("databases", ["postgresql+postgresql"], indirect=True)
@pytest.mark.parametrize("in_a_row", [1, pytest.param(20, marks=pytest.mark.soak)])
def test_all_faults_together_leave_true_facts(night_of, databases, in_a_row):
    """Every fault strikes 1 % of the tasks, and a token expires. Faults that pause all requests are in the soak."""
    ids = task_ids(TOGETHER)
    faults = (
        *(
            Fault(name=name, task_ids=frozenset(ids[80 + 100 * start :][:in_a_row]), first_asks=1)
            for start, name in enumerate(sorted(PAUSING | SLOW))
        ),
        *(Fault(name=name, rate=0.01, first_asks=1) for name in sorted(PASSING - PAUSING - SLOW)),
        *(
            Fault(name=name, task_ids=frozenset(ids[start::100]))
            for start, name in enumerate([*sorted(FINAL), *sorted(UNBELIEVABLE), *sorted(HARMLESS)])
        ),
    )
    behaviour = Behaviour(token=TOKEN, faults=faults, token_uses=700, session_id="s3ssion")
    settings = {"api__timeout_seconds": 2, "api__session_id": "s3ssion"}
    with night_of(behaviour, *databases, **settings) as night:
        night.enqueue(*ids)
        first = night.run("run", "--json")
        row = json.loads(first.stdout)
        # Some tasks meet a passing fault first, and then a body that cannot be believed.
        assert row["released"] < 0.05 * TOGETHER
        assert night.facts().items() <= night.truth(ids).items()
        statuses = dict(night.rows("SELECT name, number FROM audit_run_counter WHERE counter = 'http_status'"))
        ((refreshes,),) = night.rows("SELECT number FROM audit_run_counter WHERE name = 'session_refresh'")
        assert sum(statuses.values()) + refreshes == row["requests"]
        assert statuses["503"] > 10
        second = night.run("run", "--json")
        lost = {task_id for position, task_id in enumerate(ids) if position % 100 < len(FINAL) + len(UNBELIEVABLE)}
        honest = [task_id for task_id in ids if task_id not in lost]
        assert 65 in {first.exit_code, second.exit_code} <= {0, 65, 75}
        assert night.facts() == night.truth(honest)
        assert {task_id for (task_id,) in night.rows("SELECT task_id FROM dead_letter")} == lost
        ((requests,),) = night.rows("SELECT sum(requests) FROM audit_run")
        assert requests == night.api.stats.requests
        ((refreshes,),) = night.rows("SELECT sum(number) FROM audit_run_counter WHERE name = 'session_refresh'")
        assert refreshes == night.api.stats.refreshes >= 4

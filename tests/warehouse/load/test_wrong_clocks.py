"""A time that a run wrote while its clock was ahead keeps no later answer out of the facts."""

from datetime import timedelta
from itertools import groupby, pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.tasks.failure_reasons import FailureReason
from etl.warehouse.tables import METADATA

NEW, EXECUTING, SUCCESS, FAILED = 0, 1, 2, 3
THREE_DAYS, TICK = 3 * 24 * 60, timedelta(microseconds=1)


def answers(audit):
    return [(row["observed_at"], row["status"]) for row in audit.rows("fact_task_status_change")]


@pytest.mark.parametrize("ahead", [0.6, 2, 90, THREE_DAYS, 400 * 24 * 60])
def test_the_end_of_a_task_replaces_a_fact_that_was_written_while_the_clock_was_ahead(audit, ahead):
    audit.load(audit.seen(EXECUTING, ahead, task_name="old"), now=ahead)
    run = audit.load(audit.seen(SUCCESS, 0.5, task_name="new"), run="run-2", now=0.5)
    assert (run.changed, run.unchanged, run.still_open) == (1, 0, 0)
    fact = audit.row("fact_task_status")
    assert (fact["status"], fact["task_name"], fact["run_id"]) == (SUCCESS, "new", "run-2")
    assert fact["last_checked_at"] == fact["status_changed_at"] == audit.at(0.5)
    assert fact["first_seen_at"] == audit.at(0.5) - TICK
    assert answers(audit) == [(audit.at(0.5) - TICK, EXECUTING), (audit.at(0.5), SUCCESS)]


def test_the_whole_history_moves_in_its_order_and_older_times_stay(audit):
    audit.load(audit.seen(NEW), now=0)
    audit.load(audit.seen(EXECUTING, THREE_DAYS), run="run-2", now=THREE_DAYS)
    audit.load(audit.seen(FAILED, THREE_DAYS + 9, result_code="7"), run="run-3", now=THREE_DAYS + 9)
    audit.load(audit.seen(SUCCESS, 60), run="run-4", now=60)
    seen_at = audit.at(60)
    assert answers(audit) == [
        (audit.noon, NEW),
        (seen_at - 2 * TICK, EXECUTING),
        (seen_at - TICK, FAILED),
        (seen_at, 2),
    ]
    assert audit.row("fact_task_status")["first_seen_at"] == audit.noon
    assert audit.row("dim_result_code")["first_seen_at"] == seen_at - TICK


@pytest.mark.parametrize("status", [EXECUTING, SUCCESS])
def test_the_same_answer_again_corrects_the_time_alone(audit, status):
    audit.load(audit.seen(status, THREE_DAYS), now=THREE_DAYS)
    before = audit.row("fact_task_status")
    run = audit.load(audit.seen(status, 5), run="run-2", now=5)
    times = {"first_seen_at": audit.at(5) - TICK, "status_changed_at": audit.at(5) - TICK}
    checked_at = audit.at(5) - (TICK if status == SUCCESS else 0 * TICK)
    assert audit.row("fact_task_status") == before | times | {"last_checked_at": checked_at}
    assert answers(audit) == [(audit.at(5) - TICK, status)]
    assert (run.changed, run.unchanged) == (0, 1)


def test_a_repeated_look_of_a_clock_that_was_ahead_moves_no_change(audit):
    audit.load(audit.seen(NEW), now=0)
    audit.load(audit.seen(NEW, THREE_DAYS), run="run-2", now=THREE_DAYS)
    audit.load(audit.seen(EXECUTING, 5), run="run-3", now=5)
    assert answers(audit) == [(audit.noon, NEW), (audit.at(5), EXECUTING)]
    assert audit.row("fact_task_status")["last_checked_at"] == audit.at(5)


def test_other_tasks_keep_their_times(audit):
    audit.load(audit.seen(EXECUTING, THREE_DAYS, task_id="1"), audit.seen(EXECUTING, task_id="2"), now=THREE_DAYS)
    audit.load(audit.seen(SUCCESS, 5, task_id="2"), run="run-2", now=5)
    assert audit.rows("fact_task_status")[0]["last_checked_at"] == audit.at(THREE_DAYS)
    audit.load(audit.seen(SUCCESS, 6, task_id="1"), run="run-3", now=6)
    assert [row["status"] for row in audit.rows("fact_task_status")] == [SUCCESS, SUCCESS]


def test_an_archived_answer_corrects_no_time(audit):
    """It may be older than the fact, whose true time is not known."""
    audit.load(audit.seen(SUCCESS, THREE_DAYS), now=THREE_DAYS)
    audit.load(audit.seen(EXECUTING, 5), run="run-2")
    assert answers(audit) == [(audit.at(5), EXECUTING), (audit.at(THREE_DAYS), SUCCESS)]
    assert audit.row("fact_task_status")["status"] == SUCCESS


@pytest.mark.parametrize("answer", [NEW, EXECUTING])
def test_clocks_that_differ_by_less_than_a_minute_leave_an_open_answer_late(audit, answer):
    audit.load(audit.seen(EXECUTING, 0.5), now=0.5)
    audit.load(audit.seen(answer, 0, task_name=None), run="run-2", now=0)
    fact = audit.row("fact_task_status")
    assert (fact["status"], fact["last_checked_at"], fact["first_seen_at"]) == (EXECUTING, audit.at(0.5), audit.noon)


def test_an_open_answer_of_a_slow_worker_does_not_replace_an_end(audit):
    audit.load(audit.seen(SUCCESS, 0.5), now=0.5)
    audit.load(audit.seen(EXECUTING, 0), run="run-2", now=0.2)
    assert audit.row("fact_task_status")["status"] == SUCCESS


def test_a_dead_letter_that_was_written_while_the_clock_was_ahead_is_resolved(audit):
    audit.load(audit.failed(THREE_DAYS), now=THREE_DAYS)
    audit.load(audit.seen(SUCCESS, 5), run="run-2", now=5)
    letter = audit.row("dead_letter")
    assert letter["resolved_at"] == audit.at(5)
    assert letter["first_failed_at"] == letter["last_failed_at"] == audit.at(5) - TICK


def test_the_end_of_a_task_resolves_a_dead_letter_of_a_clock_that_differs_by_less_than_a_minute(audit):
    audit.load(audit.failed(0.1), now=0.1)
    audit.load(audit.seen(SUCCESS, 0), run="run-2", now=0)
    letter = audit.row("dead_letter")
    assert (letter["resolved_at"], letter["last_failed_at"]) == (audit.at(0), audit.at(0) - TICK)


@pytest.mark.parametrize(("status", "loaded_at"), [(EXECUTING, 0.3), (SUCCESS, 2)])
def test_an_answer_that_may_be_older_than_a_dead_letter_leaves_it_open(audit, status, loaded_at):
    audit.load(audit.failed(0.5), now=0.5)
    audit.load(audit.seen(status, 0), run="run-2", now=loaded_at)
    letter = audit.row("dead_letter")
    assert (letter["resolved_at"], letter["last_failed_at"]) == (None, audit.at(0.5))


def test_a_new_failure_replaces_a_dead_letter_that_was_written_while_the_clock_was_ahead(audit):
    audit.load(audit.failed(THREE_DAYS, task_id="=x\0"), now=THREE_DAYS)
    audit.load(audit.failed(5, task_id="=x\0", reason=FailureReason.FORBIDDEN), run="run-2", now=5)
    letter = audit.row("dead_letter")
    assert (letter["reason"], letter["run_id"], letter["last_failed_at"]) == ("forbidden", "run-2", audit.at(5))
    assert letter["first_failed_at"] == audit.at(5) - TICK


def test_a_fact_with_a_time_ahead_resolves_no_later_dead_letter(audit):
    audit.load(audit.seen(EXECUTING, THREE_DAYS), now=THREE_DAYS)
    audit.load(audit.failed(5), run="run-2", now=5)
    assert audit.row("dead_letter")["resolved_at"] is None
    assert audit.row("fact_task_status")["last_checked_at"] == audit.at(5) - TICK


ERRORS = st.sampled_from([0, 0, 0.3, -0.3, 7, 10.5, -90, THREE_DAYS, THREE_DAYS + 4])
"""Minutes that the clock of a run is ahead; looks are ten minutes apart."""
LOOKS = st.lists(st.tuples(st.sampled_from([NEW, EXECUTING]), ERRORS), max_size=4)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(LOOKS, st.sampled_from([SUCCESS, FAILED]), ERRORS), min_size=1, max_size=6))
def test_whatever_the_clocks_show_a_task_that_has_ended_is_so_in_the_facts(audit, lives):
    with audit.engine.begin() as connection:
        for name in ("fact_task_status", "fact_task_status_change", "audit_run"):
            connection.execute(METADATA.tables[name].delete())
    for number, (looks, end, error) in enumerate(lives):
        for look, (status, ahead) in enumerate([*looks, (end, error)]):
            minute = 10 * look + ahead
            audit.load(audit.seen(status, minute, task_id=str(number)), run=f"run-{number}-{look}", now=minute)
    changes = {task_id: list(rows) for task_id, rows in groupby(audit.rows("fact_task_status_change"), by_task)}
    for fact in audit.rows("fact_task_status"):
        looks, end, error = lives[int(fact["task_id"])]
        chain = changes[fact["task_id"]]
        assert fact["status"] == chain[-1]["status"] == end
        assert fact["last_checked_at"] == audit.at(10 * len(looks) + error)
        assert all(
            (before["status"], before["observed_at"])
            == (after["previous_status"], min(before["observed_at"], after["observed_at"]))
            for before, after in pairwise(chain)
        )
        assert (chain[0]["observed_at"], chain[-1]["observed_at"]) == (fact["first_seen_at"], fact["status_changed_at"])
        if all(abs(ahead) != 10.5 for _, ahead in looks):
            seen = [status for status, _ in groupby([*(status for status, _ in looks), end])]
            assert [row["status"] for row in chain] == seen


def by_task(row):
    return row["task_id"]

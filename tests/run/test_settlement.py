"""The state that a task gets from each outcome."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from etl.run.settlement import claims_allowed, exhaust_if_due, is_finished, reject_unaskable, settlement_of
from etl.tasks import FetchFailure, Observation, PendingTask, TaskState
from etl.tasks.detail import TaskDetail
from etl.tasks.failure_reasons import FailureReason, Recovery

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
LIMIT = 5
TEN_MINUTES = timedelta(minutes=10)

LASTING = {"not_found", "forbidden", "bad_payload", "too_large", "invalid_id", "rejected", "exhausted"}


def task(task_id="1", attempts=1):
    return PendingTask(task_id=task_id, attempts=attempts)


def failure(reason, *, attempts=1, sightings=1):
    return FetchFailure(
        task=task(attempts=attempts), reason=reason, failed_at=NOON, detail="it failed", sightings=sightings
    )


def observation(status):
    return Observation(task=task(), detail=TaskDetail(task_id="1", status=status), observed_at=NOON)


@pytest.mark.parametrize("reason", FailureReason)
@pytest.mark.parametrize("sightings", [1, 2])
def test_lasting_failures(reason, sightings):
    lasts = reason in LASTING and (reason is not FailureReason.BAD_PAYLOAD or sightings == 2)

    assert failure(reason, sightings=sightings).is_lasting is lasts
    assert (failure(reason).recovery in {Recovery.RETRY, Recovery.REQUEUE, Recovery.VERIFY}) is (reason not in LASTING)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (0, TaskState.PENDING),
        (1, TaskState.PENDING),
        (2, TaskState.DONE),
        (3, TaskState.DONE),
        (7, TaskState.PENDING),
        (-1, TaskState.PENDING),
        ("2", TaskState.DONE),
        (" 3 ", TaskState.DONE),
        ("1", TaskState.PENDING),
    ],
)
def test_a_task_is_pending_until_it_has_ended(status, state):
    seen = observation(status)

    settlement = settlement_of(seen, recheck_after=timedelta())

    assert (settlement.state, settlement.error, settlement.settled_at) == (state, None, NOON)
    assert (settlement.status, settlement.next_check_at) == (int(status), None)
    assert is_finished(seen) is (state is TaskState.DONE)


@pytest.mark.parametrize(
    ("reason", "sightings", "state"),
    [
        (FailureReason.NOT_FOUND, 1, TaskState.DEAD),
        (FailureReason.EXHAUSTED, 1, TaskState.DEAD),
        (FailureReason.BAD_PAYLOAD, 1, None),
        (FailureReason.BAD_PAYLOAD, 2, TaskState.DEAD),
        (FailureReason.TIMEOUT, 9, None),
    ],
)
def test_a_passing_failure_does_not_change_the_state(reason, sightings, state):
    settlement = settlement_of(failure(reason, sightings=sightings), recheck_after=TEN_MINUTES)

    assert (settlement.state, settlement.error) == (state, f"{reason.value}: it failed")


@pytest.mark.parametrize(
    ("attempts", "reason"),
    [(1, "timeout"), (LIMIT - 1, "timeout"), (LIMIT, "exhausted"), (LIMIT + 1, "exhausted")],
)
def test_a_task_is_exhausted_after_enough_runs(attempts, reason):
    spoken = exhaust_if_due(failure(FailureReason.TIMEOUT, attempts=attempts), dead_letter_after=LIMIT)

    assert spoken.reason == reason
    assert "it failed" in spoken.detail
    assert ("timeout" in spoken.detail) is (reason == "exhausted")


@pytest.mark.parametrize("reason", [FailureReason.SERVER_ERROR, FailureReason.UNRECOGNIZED])
def test_a_failure_that_counts_no_attempt_exhausts_no_task(reason):
    outage = replace(failure(reason, attempts=LIMIT + 1), counts_attempt=False)
    assert exhaust_if_due(outage, dead_letter_after=LIMIT) is outage
    assert settlement_of(outage, recheck_after=TEN_MINUTES).counts_attempt is False


def test_a_lasting_failure_keeps_its_reason_in_the_last_run():
    gone = failure(FailureReason.NOT_FOUND, attempts=LIMIT)

    assert exhaust_if_due(gone, dead_letter_after=LIMIT) is gone


def rejected(task, *, are_claims_of_dead_runs=True):
    return reject_unaskable(task, dead_letter_after=LIMIT, are_claims_of_dead_runs=are_claims_of_dead_runs, now=NOON)


@pytest.mark.parametrize("attempts", range(1, LIMIT + 1))
def test_a_task_may_be_asked_about(attempts):
    assert rejected(task(attempts=attempts)) is None


def test_a_task_may_be_asked_about_after_any_number_of_claims_of_runs_that_took_it_from_each_other():
    assert rejected(task(attempts=LIMIT + 1), are_claims_of_dead_runs=False) is None
    assert rejected(task("no ID"), are_claims_of_dead_runs=False).reason is FailureReason.INVALID_ID


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (task("not a number"), FailureReason.INVALID_ID),
        (task(""), FailureReason.INVALID_ID),
        (task("1" * 20), FailureReason.INVALID_ID),
        (task("../status"), FailureReason.INVALID_ID),
        (task("not a number", attempts=LIMIT + 1), FailureReason.INVALID_ID),
        (task(attempts=LIMIT + 1), FailureReason.EXHAUSTED),
    ],
)
def test_a_task_that_must_not_be_asked_about(refused, reason):
    spoken = rejected(refused)

    assert (spoken.reason, spoken.failed_at, spoken.is_lasting) == (reason, NOON, True)
    if reason is FailureReason.EXHAUSTED:
        assert f"Claimed by {LIMIT} runs" in spoken.detail


def looks(statuses, *, recheck_after):
    """Return the minutes until the next look, after each look at a task."""
    last, waits = task(), []
    for status in statuses:
        seen = Observation(task=last, detail=TaskDetail(task_id="1", status=status), observed_at=NOON)
        settlement = settlement_of(seen, recheck_after=timedelta(minutes=recheck_after))
        last = PendingTask(task_id="1", last_status=settlement.status, unchanged_looks=settlement.unchanged_looks)
        next_check_at = settlement.next_check_at
        waits.append(next_check_at and (next_check_at - NOON) / timedelta(minutes=1))
    return waits


def test_a_task_may_be_claimed_three_times_at_least_without_an_outcome():
    assert [claims_allowed(dead_letter_after) for dead_letter_after in (1, 3, 5)] == [3, 3, 5]


@pytest.mark.parametrize(
    ("recheck_after", "statuses", "waits"),
    [
        (10, [0, 0, 0], [10, 20, 40]),
        (10, [0, 0, 1, 1, "1", 7], [10, 20, 10, 20, 40, 10]),
        (10, [1, 1, 2, 1], [10, 20, None, 10]),
        (10, [1] * 10, [10, 20, 40, 80, 160, 320, 640, 1280, 1280, 1280]),
        (360, [1] * 3, [360, 720, 720]),
        (1440, [1] * 3, [1440, 1440, 1440]),
        (0, [1, 1], [None, None]),
    ],
)
def test_each_look_at_an_unchanged_open_task_doubles_the_wait_which_stays_below_a_day(recheck_after, statuses, waits):
    assert looks(statuses, recheck_after=recheck_after) == waits


def test_a_failure_leaves_the_number_of_looks_as_it_was():
    assert settlement_of(failure(FailureReason.TIMEOUT), recheck_after=TEN_MINUTES).unchanged_looks is None

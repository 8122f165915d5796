import random
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.fetch.retry import RetryPolicy
from etl.tasks import FetchFailure, PendingTask
from etl.tasks.failure_reasons import FailureReason, Recovery


def failure(reason, *, sightings=1):
    now = datetime(2026, 11, 7, tzinfo=UTC)
    return FetchFailure(task=PendingTask(task_id="17"), reason=reason, failed_at=now, detail="no", sightings=sightings)


class Chance(random.Random):
    """Always draws the same fraction of the range."""

    def __init__(self, fraction):
        super().__init__(0)
        self.fraction = fraction

    def uniform(self, a, b):
        return a + (b - a) * self.fraction


@pytest.mark.parametrize(
    ("recovery", "sightings", "attempt", "expected"),
    [
        (Recovery.RETRY, 1, 1, True),
        (Recovery.RETRY, 1, 3, True),
        (Recovery.RETRY, 1, 4, False),  # the last attempt
        (Recovery.RETRY_ONCE, 1, 1, True),
        (Recovery.RETRY_ONCE, 1, 3, True),  # the first sighting at a later attempt
        (Recovery.RETRY_ONCE, 2, 2, False),  # the second sighting is final
        (Recovery.RETRY_ONCE, 1, 4, False),
        (Recovery.DEAD_LETTER, 1, 1, False),
        (Recovery.REQUEUE, 1, 1, True),
        (Recovery.REQUEUE, 1, 99, True),  # it does not count as an attempt
    ],
)
def test_the_recovery_decides_which_failures_are_retried(recovery, sightings, attempt, expected):
    for reason in (reason for reason in FailureReason if reason.recovery is recovery):
        retries = RetryPolicy(attempts=4).allows_another(failure(reason, sightings=sightings), attempt=attempt)
        assert retries is expected


@pytest.mark.parametrize("reason", [reason for reason in FailureReason if reason.recovery is not Recovery.REQUEUE])
def test_one_attempt_allows_no_retry(reason):
    assert not RetryPolicy(attempts=1).allows_another(failure(reason), attempt=1)


@pytest.mark.parametrize(("attempt", "longest"), [(1, 0.5), (2, 1), (3, 2), (9, 30)])
def test_delays_are_random_up_to_a_doubling_bound(attempt, longest):
    delays = [
        RetryPolicy(attempts=10, chance=Chance(fraction)).delay_seconds(attempt=attempt) for fraction in (0, 0.5, 1)
    ]
    assert delays == [0, longest / 2, longest]


def test_the_retry_of_a_timeout_costs_double():
    policy = RetryPolicy(attempts=4)
    assert [policy.cost(failure(reason)) for reason in (FailureReason.TIMEOUT, FailureReason.SERVER_ERROR)] == [2, 1]


def test_the_end_of_a_run_waits_for_one_more_attempt_after_a_time_out_and_for_none_if_earlier_runs_failed():
    policy = RetryPolicy(attempts=4)
    hung, failed = failure(FailureReason.TIMEOUT), failure(FailureReason.SERVER_ERROR)
    hung_again = replace(hung, task=msgspec.structs.replace(hung.task, attempts=2))
    assert policy.may_delay_end(hung)
    assert policy.may_delay_end(hung, before=failed)
    assert policy.may_delay_end(failed, before=hung)
    assert not policy.may_delay_end(hung, before=hung)
    assert not policy.may_delay_end(hung_again)
    assert policy.may_delay_end(replace(failed, task=hung_again.task), before=failed)


@given(attempt=st.integers(1, 10), seed=st.integers())
def test_a_delay_is_never_longer_than_the_cap(attempt, seed):
    policy = RetryPolicy(attempts=10, cap_seconds=7, chance=random.Random(seed))
    assert 0 <= policy.delay_seconds(attempt=attempt) <= 7

"""Hidden and named limits, and waits that an API asks for, behind the gate on virtual time."""

from collections import deque

import pytest

from etl.errors import StoppedError
from etl.exit_codes import ExitCode
from etl.tasks.failure_reasons import FailureReason
from tests.fetch.gate_nights import LATENCY, World, failure, night, observed


class HiddenLimit(World):
    """Accepts ``limit`` requests in any one second, without naming the limit."""

    def __init__(self, limit, **details):
        super().__init__()
        self.limit = limit
        self.details = details
        self.accepted_at = deque(maxlen=limit)

    def outcome(self, now, task):
        if len(self.accepted_at) == self.limit and self.accepted_at[0] > now - 1:
            return failure(task, FailureReason.THROTTLED, **self.details)
        self.accepted_at.append(now)
        return None


@pytest.mark.parametrize("limit", [5, 50, 250])
def test_a_hidden_limit_at_a_quarter_of_the_rate_is_found_and_used(limit):
    world = HiddenLimit(limit)
    number = 150 * limit
    delivered, pool, reason, seconds = night(world, tasks=number, max_rate=4 * limit)
    assert reason is None
    assert observed(delivered) == number
    assert world.share_of(FailureReason.THROTTLED) < 0.05
    assert number / seconds >= 0.75 * limit
    later = world.answers[len(world.answers) // 2 :]
    assert sum(response is not None for response in later) < 0.01 * len(later)
    assert pool.ceiling == pytest.approx(limit, rel=0.1)
    assert pool.traffic.throttled == len(world.answers) - number


def test_a_limit_that_the_api_names_is_adopted_at_once():
    world = HiddenLimit(50, allowed_rate=50.0)
    delivered, pool, _, seconds = night(world, tasks=5000, max_rate=200)
    assert observed(delivered) == 5000
    assert pool.traffic.throttled < 20
    assert 5000 / seconds >= 0.95 * 50
    assert pool.ceiling == 50


class Storm(World):
    """Throttles every request for one period."""

    def __init__(self, start, end, **details):
        super().__init__()
        self.start, self.end, self.details = start, end, details

    def outcome(self, now, task):
        return failure(task, FailureReason.THROTTLED, **self.details) if self.start <= now < self.end else None


def test_the_whole_pool_observes_a_wait_that_the_api_names():
    world = Storm(2, 2.1, wait_seconds=30.0)
    delivered, _, reason, _ = night(world)
    assert (observed(delivered), reason) == (1000, None)
    assert not [moment for moment in world.sent_at if 2.2 < moment < 32]
    after = [moment for moment in world.sent_at if moment >= 32]
    assert after[1] - after[0] >= 0.99 * LATENCY, "a probe goes first"


def test_throttling_does_not_count_as_an_attempt():
    world = Storm(0, 100)
    delivered, pool, reason, _ = night(world, tasks=50)
    assert (observed(delivered), reason) == (50, None)
    assert pool.traffic.requests < 50 + 64 + 20


@pytest.mark.parametrize("seconds", [901.0, 86_400.0, 1e300])
def test_a_named_wait_that_is_too_long_ends_the_run_cleanly(seconds):
    delivered, pool, reason, took = night(Storm(2, 1e9, wait_seconds=seconds))
    assert isinstance(reason, StoppedError)
    assert "asks to wait" in reason.message
    assert took < 3
    assert observed(delivered) == pool.traffic.observations


def test_endless_throttling_ends_the_run_cleanly():
    _, pool, reason, seconds = night(Storm(0, 1e9))
    assert reason.message.startswith("The API has throttled every request for")
    assert reason.exit_code is ExitCode.STOPPED
    assert seconds == pytest.approx(900, abs=70)
    assert pool.traffic.requests < 120


def test_one_throttled_task_does_not_delay_the_others_for_long():
    class OneIsThrottled(World):
        def outcome(self, now, task):
            return failure(task, FailureReason.THROTTLED) if task.task_id == "7" and now < 200 else None

    world = OneIsThrottled()
    delivered, _, reason, _ = night(world, tasks=500)
    assert (observed(delivered), reason) == (500, None)
    assert world.sent_at[499] < 30, "all others were fetched"

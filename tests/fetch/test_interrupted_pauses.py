"""A pause because of refusals shows the window of a limit only if nothing but refusals made it long."""

import asyncio
from datetime import UTC, datetime

import pytest

from etl.fetch.gate import Gate
from etl.rate.limiter import RateLimiter
from etl.shutdown import Shutdown
from etl.tasks import FetchFailure, PendingTask
from etl.tasks.failure_reasons import FailureReason
from tests.fetch.virtual_time import run_virtually

ANSWER = object()


def failure(reason, **more):
    return FetchFailure(
        task=PendingTask(task_id="1"), reason=reason, failed_at=datetime(2026, 11, 7, tzinfo=UTC), detail="no", **more
    )


THROTTLED = failure(FailureReason.THROTTLED)
DOWN = failure(FailureReason.THROTTLED, wait_seconds=40, may_be_outage=True)


def rate_after(*pause, refusal=THROTTLED):
    """Send 30 requests in 0.3 s, have the next one refused, and let the pause go as given; returns the rate after it.

    Args:
        pause: seconds to wait for something else than the API, or the outcome of a probe.
        refusal: the outcome of the refused request.
    """

    async def scenario():
        loop = asyncio.get_running_loop()
        limiter = RateLimiter(100, clock=loop.time)
        gate = Gate(limiter, shutdown=Shutdown(), patience_seconds=900, clock=loop.time)
        for outcome in [ANSWER] * 30 + [refusal]:
            gate.record(outcome, await gate.wait())
        for step in (*pause, ANSWER):
            if isinstance(step, float):
                await asyncio.sleep(step)
            else:
                permit = await gate.wait()
                assert permit.is_probe
                gate.record(step, permit)
        return limiter.rate

    return run_virtually(scenario())


def test_refusals_for_half_a_minute_show_a_window():
    assert rate_after(failure(FailureReason.THROTTLED, wait_seconds=30)) == pytest.approx(1, rel=0.2)


@pytest.mark.parametrize(
    "pause",
    [
        (40.0,),
        (40.0, THROTTLED),
        (DOWN,),
        (failure(FailureReason.UNRECOGNIZED, own_reason=FailureReason.BAD_PAYLOAD), 40.0),
    ],
    ids=["no task", "no task, and then a refusal", "a server that is down", "a page of another server"],
)
def test_a_pause_that_something_else_made_longer_shows_none(pause):
    assert rate_after(*pause) > 20


def test_a_server_that_is_down_for_a_while_and_says_so_shows_none():
    assert rate_after(refusal=DOWN) > 20

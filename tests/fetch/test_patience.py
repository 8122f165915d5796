"""The gate's patience with pages of other servers counts from the first probe that shows no answer."""

import asyncio

import pytest

from etl.fetch.gate import Gate
from etl.rate.limiter import RateLimiter
from etl.shutdown import Shutdown
from etl.tasks.failure_reasons import FailureReason
from tests.fetch.gate_nights import failure, new_task
from tests.fetch.virtual_time import run_virtually

PATIENCE_SECONDS = 20
PAGE = failure(new_task(1), FailureReason.UNRECOGNIZED, own_reason=FailureReason.BAD_PAYLOAD)
UNAUTHORIZED = failure(new_task(1), FailureReason.UNAUTHORIZED)


async def is_over_after(gate, shutdown, *steps):
    """Let requests have these outcomes, with seconds of rest between them; returns whether the run is to end."""
    for step in steps:
        if isinstance(step, float):
            await asyncio.sleep(step)
        else:
            gate.record(step, await gate.wait())
    return shutdown.is_requested


@pytest.mark.parametrize("before", [PAGE, UNAUTHORIZED], ids=["a page", "credentials that are renewed"])
def test_a_rest_of_the_run_is_no_failure_of_the_api(before):
    async def scenario():
        loop, shutdown = asyncio.get_running_loop(), Shutdown()
        limiter = RateLimiter(10, clock=loop.time)
        gate = Gate(limiter, shutdown=shutdown, patience_seconds=PATIENCE_SECONDS, clock=loop.time)
        early = await is_over_after(gate, shutdown, before, 60.0, PAGE, PAGE, PAGE)
        began_at = loop.time()
        late = await is_over_after(gate, shutdown, PAGE)
        return early, late, loop.time() - began_at

    early, late, seconds = run_virtually(scenario())
    assert (early, late) == (False, True)
    # The pauses before were of 5 and 10 seconds.
    assert seconds == pytest.approx(PATIENCE_SECONDS - 15, abs=1)

"""One timer ends each task that takes too long, at its time, and hides no other end of a task."""

import asyncio

import pytest

from etl.koodrive.time_limit import TimeLimit
from tests.fetch.virtual_time import run_virtually

SECONDS = 30.0


async def within(limit, seconds):
    with limit:
        await asyncio.sleep(seconds)


async def ended_after(awaitable):
    """Return how a task ends, and after how many seconds."""
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    (end,) = await asyncio.gather(awaitable, return_exceptions=True)
    return type(end), pytest.approx(loop.time() - began_at, abs=0.01)


def test_each_task_has_its_own_time():
    async def scenario():
        limit = TimeLimit(SECONDS)

        async def later(delay, seconds):
            await asyncio.sleep(delay)
            return await ended_after(within(limit, seconds))

        return await asyncio.gather(later(0, 100), later(10, 29), later(10, 100), later(25, 5), later(500, 31))

    hung, answered = (TimeoutError, SECONDS), type(None)
    assert run_virtually(scenario()) == [hung, (answered, 29), hung, (answered, 5), hung]


def test_a_task_may_enter_again_after_its_time_was_over():
    async def scenario():
        limit = TimeLimit(SECONDS)
        return [await ended_after(within(limit, seconds)) for seconds in (100, 1, 100)]

    assert run_virtually(scenario()) == [(TimeoutError, SECONDS), (type(None), 1), (TimeoutError, SECONDS)]


@pytest.mark.parametrize("cancelled_after", [10, SECONDS])
def test_a_task_that_is_cancelled_from_outside_is_cancelled_even_in_the_same_instant(cancelled_after):
    async def scenario():
        task = asyncio.ensure_future(within(TimeLimit(SECONDS), 100))
        await asyncio.sleep(cancelled_after)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert run_virtually(scenario())


def test_an_error_within_the_block_stays_even_if_the_time_is_over():
    async def failing(limit):
        with limit:
            try:
                await asyncio.sleep(100)
            finally:
                raise ConnectionResetError

    async def scenario():
        return await ended_after(failing(TimeLimit(SECONDS)))

    assert run_virtually(scenario()) == (ConnectionResetError, SECONDS)


def test_a_cancellation_that_was_survived_before_does_not_hide_the_end_of_the_time():
    async def surviving(limit):
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            return await ended_after(within(limit, 100))

    async def scenario():
        task = asyncio.ensure_future(surviving(TimeLimit(SECONDS)))
        await asyncio.sleep(1)
        task.cancel()
        return await task

    assert run_virtually(scenario()) == (TimeoutError, SECONDS)

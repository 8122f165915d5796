import asyncio

import pytest

from etl.fetch.backlog import Backlog
from etl.tasks import PendingTask


def tasks(*numbers):
    return [PendingTask(task_id=str(number)) for number in numbers]


async def settled():
    """Let everybody run who can."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_tasks_leave_in_the_order_in_which_they_came():
    async def scenario():
        backlog = Backlog(low=0)
        backlog.fill(tasks(3, 1))
        backlog.fill(tasks(2))
        backlog.end()
        assert [await backlog.take() for _ in range(5)] == [*tasks(3, 1, 2), None, None]

    asyncio.run(scenario())


def test_who_finds_nothing_waits_for_more():
    async def scenario():
        backlog = Backlog(low=0)
        takers = [asyncio.create_task(backlog.take()) for _ in range(3)]
        await settled()
        assert not any(taker.done() for taker in takers)
        backlog.fill(tasks(1, 2))
        await settled()
        assert [taker.done() for taker in takers].count(True) == 2
        backlog.end()
        assert {await taker for taker in takers} == {*tasks(1, 2), None}

    asyncio.run(scenario())


@pytest.mark.parametrize(("low", "taken"), [(0, 4), (1, 3), (2, 2), (3, 1)])
def test_more_are_wanted_when_they_run_low(low, taken):
    async def scenario():
        backlog = Backlog(low=low)
        await backlog.runs_low()
        backlog.fill(tasks(1, 2, 3, 4))
        claiming = asyncio.create_task(backlog.runs_low())
        for _ in range(taken):
            await settled()
            assert not claiming.done()
            await backlog.take()
        await settled()
        assert claiming.done()

    asyncio.run(scenario())


def test_too_few_to_fill_it_leave_it_low():
    async def scenario():
        backlog = Backlog(low=5)
        backlog.fill(tasks(1, 2, 3, 4, 5))
        await backlog.runs_low()
        backlog.fill([])
        await backlog.runs_low()

    asyncio.run(scenario())


def test_the_end_leaves_what_is_there_to_be_taken():
    async def scenario():
        backlog = Backlog(low=0)
        backlog.fill(tasks(1))
        backlog.end()
        backlog.fill(tasks(2))
        assert backlog.is_closed
        assert [await backlog.take(), await backlog.take()] == [*tasks(1), None]

    asyncio.run(scenario())


def test_a_close_drops_what_is_there_and_wakes_everybody():
    async def scenario():
        backlog = Backlog(low=0)
        backlog.fill(tasks(1, 2))
        claiming = asyncio.create_task(backlog.runs_low())
        await settled()
        assert not claiming.done()
        backlog.close()
        async with asyncio.timeout(5):
            await claiming
            assert await backlog.take() is None

    asyncio.run(scenario())


def test_a_close_wakes_who_waits_for_a_task():
    async def scenario():
        backlog = Backlog(low=0)
        takers = [asyncio.create_task(backlog.take()) for _ in range(3)]
        await settled()
        backlog.close()
        async with asyncio.timeout(5):
            assert [await taker for taker in takers] == [None] * 3

    asyncio.run(scenario())

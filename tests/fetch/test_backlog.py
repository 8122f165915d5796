import asyncio

import pytest

from etl.fetch.backlog import Backlog
from etl.tasks import PendingTask
from tests.fetch.virtual_time import run_virtually


def tasks(*numbers):
    return [PendingTask(task_id=str(number)) for number in numbers]


async def all_of(backlog):
    """Take and drop until there is nothing more."""
    taken = []
    while (attempt := await backlog.take()) is not None:
        taken.append(attempt.task)
        backlog.drop()
    return taken


async def settled():
    """Let everybody run who can."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_tasks_leave_in_the_order_in_which_they_came():
    async def scenario():
        backlog = Backlog(low=0, rest_seconds=60)
        backlog.fill(tasks(3, 1))
        backlog.fill(tasks(2))
        backlog.end()
        assert await all_of(backlog) == tasks(3, 1, 2)
        assert await backlog.take() is None

    asyncio.run(scenario())


def test_who_finds_nothing_waits_for_more():
    async def scenario():
        backlog = Backlog(low=0, rest_seconds=60)
        takers = [asyncio.create_task(backlog.take()) for _ in range(3)]
        await settled()
        assert not any(taker.done() for taker in takers)
        backlog.fill(tasks(1, 2))
        await settled()
        assert [taker.done() for taker in takers].count(True) == 2
        backlog.end()
        for _ in range(2):
            backlog.drop()
        taken = [attempt.task for taker in takers if (attempt := await taker)]
        assert sorted(task.task_id for task in taken) == ["1", "2"]

    asyncio.run(scenario())


@pytest.mark.parametrize(("low", "taken"), [(0, 4), (1, 3), (2, 2), (3, 1)])
def test_more_are_wanted_when_they_run_low(low, taken):
    async def scenario():
        backlog = Backlog(low=low, rest_seconds=60)
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
        backlog = Backlog(low=5, rest_seconds=60)
        backlog.fill(tasks(1, 2, 3, 4, 5))
        await backlog.runs_low()
        backlog.fill([])
        await backlog.runs_low()

    asyncio.run(scenario())


def test_the_end_leaves_what_is_there_to_be_taken():
    async def scenario():
        backlog = Backlog(low=0, rest_seconds=60)
        backlog.fill(tasks(1))
        backlog.end()
        backlog.fill(tasks(2))
        assert await all_of(backlog) == tasks(1, 2)

    asyncio.run(scenario())


def test_a_close_drops_what_is_there_and_wakes_everybody():
    async def scenario():
        backlog = Backlog(low=0, rest_seconds=60)
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
        backlog = Backlog(low=0, rest_seconds=60)
        takers = [asyncio.create_task(backlog.take()) for _ in range(3)]
        await settled()
        backlog.close()
        async with asyncio.timeout(5):
            assert [await taker for taker in takers] == [None] * 3

    asyncio.run(scenario())


def test_an_attempt_that_is_put_back_goes_last():
    async def scenario():
        backlog = Backlog(low=0, rest_seconds=60)
        backlog.fill(tasks(1, 2))
        backlog.end()
        backlog.again(await backlog.take())
        assert await all_of(backlog) == tasks(2, 1)

    asyncio.run(scenario())


def test_nobody_leaves_while_an_attempt_may_come_back():
    async def scenario():
        backlog = Backlog(low=0, rest_seconds=60)
        backlog.fill(tasks(1))
        backlog.end()
        attempt = await backlog.take()
        other = asyncio.create_task(backlog.take())
        await settled()
        assert not other.done()
        backlog.later(attempt, seconds=3600)
        started = asyncio.get_running_loop().time()
        assert await other is attempt
        assert asyncio.get_running_loop().time() - started == pytest.approx(3600)
        backlog.drop()
        assert await backlog.take() is None

    run_virtually(scenario())


def test_what_was_deferred_comes_once_all_else_is_done_after_a_rest():
    async def scenario():
        time = asyncio.get_running_loop().time
        backlog = Backlog(low=0, rest_seconds=60)
        backlog.fill(tasks(1, 2, 3))
        backlog.end()
        assert backlog.defer(await backlog.take())
        second, third = await backlog.take(), await backlog.take()
        assert backlog.defer(second)
        started = time()
        backlog.later(third, seconds=10)
        assert await backlog.take() is third
        backlog.drop()
        deferred = [await backlog.take(), await backlog.take()]
        assert time() - started == pytest.approx(70)
        assert sorted(attempt.task.task_id for attempt in deferred) == ["1", "2"]
        assert all(attempt.is_deferred for attempt in deferred)
        backlog.drop()
        backlog.drop()
        assert await backlog.take() is None

    run_virtually(scenario())


def test_only_so_many_can_be_deferred(monkeypatch):
    async def scenario():
        monkeypatch.setattr("etl.fetch.backlog.MAX_DEFERRED", 2)
        backlog = Backlog(low=0, rest_seconds=60)
        backlog.fill(tasks(1, 2, 3))
        assert [backlog.defer(await backlog.take()) for _ in range(3)] == [True, True, False]

    asyncio.run(scenario())


def test_a_close_does_not_wait_for_what_rests():
    async def scenario():
        backlog = Backlog(low=0, rest_seconds=60)
        backlog.fill(tasks(1, 2))
        backlog.end()
        backlog.later(await backlog.take(), seconds=3600)
        backlog.defer(await backlog.take())
        backlog.close()
        assert await backlog.take() is None

    asyncio.run(scenario())

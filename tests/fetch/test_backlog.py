import asyncio

import pytest

from etl.fetch.backlog import Backlog
from etl.tasks import PendingTask
from tests.fetch.virtual_time import run_virtually


def tasks(*numbers):
    return [PendingTask(task_id=str(number)) for number in numbers]


async def all_of(backlog):
    """Take and finish attempts until there are no more."""
    taken = []
    while (attempt := await backlog.take()) is not None:
        taken.append(attempt.task)
        backlog.finish()
    return taken


async def settled():
    """Let every task run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_tasks_leave_in_the_order_of_their_arrival():
    async def scenario():
        backlog = Backlog(low=0, rest_seconds=60)
        backlog.fill(tasks(3, 1))
        backlog.fill(tasks(2))
        backlog.end()
        assert await all_of(backlog) == tasks(3, 1, 2)
        assert await backlog.take() is None

    asyncio.run(scenario())


def test_a_worker_waits_while_the_backlog_is_empty():
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
            backlog.finish()
        taken = [attempt.task for taker in takers if (attempt := await taker)]
        assert sorted(task.task_id for task in taken) == ["1", "2"]

    asyncio.run(scenario())


@pytest.mark.parametrize(("low", "taken"), [(0, 4), (1, 3), (2, 2), (3, 1)])
def test_the_backlog_signals_when_it_runs_low(low, taken):
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


def test_a_backlog_with_too_few_tasks_stays_low():
    async def scenario():
        backlog = Backlog(low=5, rest_seconds=60)
        backlog.fill(tasks(1, 2, 3, 4, 5))
        await backlog.runs_low()
        backlog.fill([])
        await backlog.runs_low()

    asyncio.run(scenario())


def test_remaining_tasks_can_be_taken_after_the_end():
    async def scenario():
        backlog = Backlog(low=0, rest_seconds=60)
        backlog.fill(tasks(1))
        backlog.end()
        backlog.fill(tasks(2))
        assert await all_of(backlog) == tasks(1, 2)

    asyncio.run(scenario())


def test_a_close_drops_the_tasks_and_wakes_the_claimer():
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


def test_a_close_wakes_the_workers():
    async def scenario():
        backlog = Backlog(low=0, rest_seconds=60)
        takers = [asyncio.create_task(backlog.take()) for _ in range(3)]
        await settled()
        backlog.close()
        async with asyncio.timeout(5):
            assert [await taker for taker in takers] == [None] * 3

    asyncio.run(scenario())


def test_a_requeued_attempt_goes_last():
    async def scenario():
        backlog = Backlog(low=0, rest_seconds=60)
        backlog.fill(tasks(1, 2))
        backlog.end()
        backlog.requeue(await backlog.take())
        assert await all_of(backlog) == tasks(2, 1)

    asyncio.run(scenario())


def test_workers_stay_while_an_attempt_may_come_back():
    async def scenario():
        backlog = Backlog(low=0, rest_seconds=60)
        backlog.fill(tasks(1))
        backlog.end()
        attempt = await backlog.take()
        other = asyncio.create_task(backlog.take())
        await settled()
        assert not other.done()
        backlog.retry_later(attempt, seconds=3600)
        started = asyncio.get_running_loop().time()
        assert await other is attempt
        assert asyncio.get_running_loop().time() - started == pytest.approx(3600)
        backlog.finish()
        assert await backlog.take() is None

    run_virtually(scenario())


def test_deferred_attempts_come_back_after_all_others_and_a_rest():
    async def scenario():
        time = asyncio.get_running_loop().time
        backlog = Backlog(low=0, rest_seconds=60)
        backlog.fill(tasks(1, 2, 3))
        backlog.end()
        assert backlog.defer(await backlog.take())
        second, third = await backlog.take(), await backlog.take()
        assert backlog.defer(second)
        started = time()
        backlog.retry_later(third, seconds=10)
        assert await backlog.take() is third
        backlog.finish()
        deferred = [await backlog.take(), await backlog.take()]
        assert time() - started == pytest.approx(70)
        assert sorted(attempt.task.task_id for attempt in deferred) == ["1", "2"]
        assert all(attempt.is_deferred for attempt in deferred)
        backlog.finish()
        backlog.finish()
        assert await backlog.take() is None

    run_virtually(scenario())


def test_the_number_of_deferred_attempts_is_bounded(monkeypatch):
    async def scenario():
        monkeypatch.setattr("etl.fetch.backlog.MAX_DEFERRED", 2)
        backlog = Backlog(low=0, rest_seconds=60)
        backlog.fill(tasks(1, 2, 3))
        assert [backlog.defer(await backlog.take()) for _ in range(3)] == [True, True, False]

    asyncio.run(scenario())


def test_a_close_does_not_wait_for_resting_attempts():
    async def scenario():
        backlog = Backlog(low=0, rest_seconds=60)
        backlog.fill(tasks(1, 2))
        backlog.end()
        backlog.retry_later(await backlog.take(), seconds=3600)
        backlog.defer(await backlog.take())
        backlog.close()
        assert await backlog.take() is None

    asyncio.run(scenario())

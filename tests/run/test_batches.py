"""Outcomes that wait for their batch to be loaded."""

import asyncio
from datetime import UTC, datetime

import pytest

from etl.run.batches import MAX_BYTES, BatchBuffer
from etl.tasks import Observation, PendingTask
from etl.tasks.detail import TaskDetail


def test_a_batch_is_full_or_old_or_the_last():
    async def gather():
        outbox = BatchBuffer(size=2, seconds=0.001)
        await outbox.put(1)
        await outbox.put(2)
        full = await outbox.batch()
        await outbox.put(3)
        old = await outbox.batch()
        await outbox.put(4)
        outbox.end()
        return full, old, await outbox.batch(), await outbox.batch()

    assert asyncio.run(gather()) == ([1, 2], [3], [4], [])


def test_without_outcomes_there_is_no_batch_but_the_last():
    async def gather():
        outbox = BatchBuffer(size=2, seconds=0.001)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await outbox.batch()
        outbox.end()
        return await outbox.batch()

    assert asyncio.run(gather()) == []


def test_workers_wait_while_a_full_batch_is_not_taken():
    async def fill():
        outbox = BatchBuffer(size=2, seconds=60)
        waiting = [asyncio.ensure_future(outbox.put(each)) for each in range(5)]
        await asyncio.sleep(0)
        sizes = []
        for _ in range(2):
            sizes.append(sum(each.done() for each in waiting))
            await outbox.batch()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        sizes.append(sum(each.done() for each in waiting))
        return sizes

    assert asyncio.run(fill()) == [2, 4, 5]


def test_after_hurry_no_batch_waits_to_be_full():
    async def hurry():
        outbox = BatchBuffer(size=100, seconds=60)
        waiting = asyncio.ensure_future(outbox.batch())
        await outbox.put("a")
        await asyncio.sleep(0)
        outbox.hurry()
        first = await waiting
        await outbox.put("b")
        return first, await outbox.batch()

    async def in_time():
        async with asyncio.timeout(5):
            return await hurry()

    assert asyncio.run(in_time()) == (["a"], ["b"])


def test_a_flushed_batch_is_handed_over_and_the_next_one_waits():
    async def flush():
        outbox = BatchBuffer(size=100, seconds=60)
        outbox.flush()
        waiting = asyncio.ensure_future(outbox.batch())
        await outbox.put("a")
        await asyncio.sleep(0)
        assert not waiting.done()
        outbox.flush()
        first = await waiting
        waiting = asyncio.ensure_future(outbox.batch())
        await outbox.put("b")
        await asyncio.sleep(0)
        assert not waiting.done()
        outbox.end()
        return first, await waiting

    async def in_time():
        async with asyncio.timeout(5):
            return await flush()

    assert asyncio.run(in_time()) == (["a"], ["b"])


def test_a_batch_is_full_if_its_answers_are_large():
    seen = Observation(
        task=PendingTask(task_id="1"),
        detail=TaskDetail(task_id="1", status=2),
        observed_at=datetime(2026, 11, 2, tzinfo=UTC),
        size=MAX_BYTES // 2,
    )

    async def gather():
        outbox = BatchBuffer(size=1_000, seconds=60)
        filling = [asyncio.ensure_future(outbox.put(seen)) for _ in range(3)]
        batch = await outbox.batch()
        outbox.end()
        await asyncio.gather(*filling)
        return len(batch), len(await outbox.batch())

    assert asyncio.run(gather()) == (2, 1)

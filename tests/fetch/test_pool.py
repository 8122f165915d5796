import asyncio
from collections import Counter

import pytest

from etl.fetch.backlog import Backlog
from etl.fetch.pool import Traffic
from etl.fetch.retry import RetryPolicy
from etl.tasks import PendingTask
from etl.tasks.failure_reasons import FailureReason
from tests.fetch.scripted_api import TASK, Api, outcomes_of, pool_of, worked
from tests.fetch.virtual_time import run_virtually

NOT_FOUND, BAD, SERVER_ERROR, THROTTLED = (
    FailureReason.NOT_FOUND,
    FailureReason.BAD_PAYLOAD,
    FailureReason.SERVER_ERROR,
    FailureReason.THROTTLED,
)


@pytest.mark.parametrize(
    ("script", "requests", "last", "is_lasting"),
    [
        ([2], 1, 2, None),
        ([SERVER_ERROR, 2], 2, 2, None),
        ([SERVER_ERROR, SERVER_ERROR, SERVER_ERROR, 2], 4, 2, None),
        ([SERVER_ERROR], 4, SERVER_ERROR, False),
        (
            [THROTTLED, SERVER_ERROR, THROTTLED, FailureReason.TIMEOUT, 2],
            5,
            2,
            None,
        ),  # throttling does not count as an attempt
        ([THROTTLED] * 7 + [SERVER_ERROR], 11, SERVER_ERROR, False),
        ([NOT_FOUND, 2], 1, NOT_FOUND, True),
        ([SERVER_ERROR, NOT_FOUND, 2], 2, NOT_FOUND, True),
        ([BAD, 2], 2, 2, None),
        ([BAD, BAD, 2], 2, BAD, True),
        ([SERVER_ERROR, BAD, BAD, 2], 3, BAD, True),
        ([BAD, SERVER_ERROR, BAD, 2], 4, 2, None),  # not twice in a row
        ([SERVER_ERROR, SERVER_ERROR, SERVER_ERROR, BAD], 4, BAD, False),  # no attempt left for the second sighting
    ],
)
def test_the_failures_decide_the_number_of_requests_about_a_task(script, requests, last, is_lasting):
    api = Api(t17=script)
    (outcome,), pool, _ = outcomes_of(api, [TASK])
    assert len(api.asked) == pool.traffic.requests == requests
    assert pool.traffic.retries == requests - 1
    if is_lasting is None:
        assert outcome.detail.status == last
    else:
        assert (outcome.reason, outcome.is_lasting) == (last, is_lasting)


@pytest.mark.parametrize("attempts", [1, 2, 10])
def test_attempts_bound_the_requests_for_a_task(attempts):
    api = Api(t17=[SERVER_ERROR])
    (outcome,), _, _ = outcomes_of(api, [TASK], attempts=attempts)
    assert outcome.reason is SERVER_ERROR
    assert len(api.asked) == attempts


def test_the_policy_decides_the_delays():
    class Minutes(RetryPolicy):
        def delay_seconds(self, *, attempt):
            return 60.0 * attempt

    async def scenario():
        loop, sent_at = asyncio.get_running_loop(), []
        api = Api(t17=[SERVER_ERROR, SERVER_ERROR, 2])

        class Timed:
            async def ask(self, task):
                sent_at.append(loop.time())
                return await api.ask(task)

        await worked(pool_of(Timed(), policy=Minutes(attempts=4)), [TASK])
        return sent_at

    first, second, third = run_virtually(scenario())
    assert (second - first, third - second) == pytest.approx((60, 120))


def test_requests_and_responses_are_counted():
    api = Api(t1=[THROTTLED, THROTTLED, 2], t2=[SERVER_ERROR, 2], t3=[NOT_FOUND])
    delivered, pool, _ = outcomes_of(api, [PendingTask(task_id=str(number)) for number in range(1, 11)])
    assert len(delivered) == 10
    failures = {"throttled": 2, "server_error": 1, "not_found": 1}
    assert pool.traffic == Traffic(
        requests=13, retries=3, throttled=2, observations=9, refusals=1, failures=Counter(failures)
    )
    assert len(api.asked) == 13


def test_every_task_has_exactly_one_outcome():
    api = Api(**{f"t{number}": [SERVER_ERROR, BAD, 2] for number in range(0, 200, 3)})
    tasks = [PendingTask(task_id=str(number)) for number in range(200)]
    delivered, _, _ = outcomes_of(api, tasks, concurrency=7)
    assert sorted(int(outcome.task.task_id) for outcome in delivered) == list(range(200))


@pytest.mark.parametrize("concurrency", [1, 5, 64])
def test_the_concurrency_is_used_and_never_exceeded(concurrency):
    api = Api()

    async def scenario():
        api.answer = asyncio.Event()
        pool = pool_of(api, concurrency=concurrency)
        working = asyncio.create_task(worked(pool, [PendingTask(task_id=str(number)) for number in range(100)]))
        for _ in range(1000):
            await asyncio.sleep(0)
        assert api.in_flight == concurrency
        api.answer.set()
        return await working

    assert len(asyncio.run(scenario())) == 100
    assert api.most_in_flight == concurrency


def test_a_slow_consumer_slows_the_workers():
    async def scenario():
        api, capacity = Api(), asyncio.Semaphore(3)
        pool = pool_of(api, concurrency=2)
        backlog = Backlog(low=0, rest_seconds=60)
        backlog.fill(PendingTask(task_id=str(number)) for number in range(50))
        backlog.end()
        working = asyncio.create_task(pool.work(backlog, lambda _outcome: capacity.acquire()))
        for _ in range(500):
            await asyncio.sleep(0)
        asked_while_full = len(api.asked)
        for _ in range(50):
            capacity.release()
        await working
        return asked_while_full, len(api.asked)

    assert asyncio.run(scenario()) == (5, 50)

import asyncio
from datetime import UTC, datetime

import pytest

from etl.errors import CredentialsRefusedError, StoppedError, UnavailableError
from etl.fetch.backlog import Backlog
from etl.fetch.pace import Pace
from etl.fetch.pool import Pool, Traffic
from etl.fetch.retry import RetryPolicy
from etl.fetch.stop import Stop
from etl.tasks import FailureReason, FetchFailure, Observation, PendingTask, TaskDetail

NOW = datetime(2026, 11, 7, tzinfo=UTC)
TASK = PendingTask(task_id="17")


def outcome_of(task, said):
    if isinstance(said, FailureReason):
        return FetchFailure(task=task, reason=said, failed_at=NOW, detail=said.value)
    return Observation(task=task, detail=TaskDetail(task_id=task.task_id, status=said), observed_at=NOW)


class Api:
    """Says of each task what the script has for it, the last word again and again; an exception is raised."""

    def __init__(self, **script):
        self.script = {name.removeprefix("t"): list(words) for name, words in script.items()}
        self.asked = []
        self.in_flight = self.most_in_flight = 0
        self.answer = asyncio.Event()
        self.answer.set()

    async def ask(self, task):
        self.asked.append(task.task_id)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self.answer.wait()
            await asyncio.sleep(0)
        finally:
            self.in_flight -= 1
        words = self.script.get(task.task_id, [2])
        said = words.pop(0) if len(words) > 1 else words[0]
        if isinstance(said, Exception):
            raise said
        return outcome_of(task, said)


class SleeplessStop(Stop):
    """Remembers how long it should have slept."""

    def __init__(self):
        super().__init__()
        self.slept = []

    async def sleep(self, seconds):
        self.slept.append(seconds)
        await asyncio.sleep(0)


def pool_of(api, *, attempts=4, concurrency=4, stop=None):
    stop = stop or SleeplessStop()
    pace = Pace(1e6, sleep=lambda _seconds: asyncio.sleep(0))
    return Pool(api.ask, pace=pace, policy=RetryPolicy(attempts=attempts), concurrency=concurrency, stop=stop), stop


async def worked(pool, tasks):
    """Let the pool work off the tasks; returns what it gave."""
    given = []

    async def give(outcome):
        given.append(outcome)

    backlog = Backlog(low=0)
    backlog.fill(tasks)
    backlog.end()
    async with asyncio.timeout(20):
        await pool.work(backlog, give)
    return given


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
        ([THROTTLED, SERVER_ERROR, THROTTLED, FailureReason.TIMEOUT, 2], 4, FailureReason.TIMEOUT, False),
        ([NOT_FOUND, 2], 1, NOT_FOUND, True),
        ([SERVER_ERROR, NOT_FOUND, 2], 2, NOT_FOUND, True),
        ([BAD, 2], 2, 2, None),
        ([BAD, BAD, 2], 2, BAD, True),
        ([SERVER_ERROR, BAD, BAD, 2], 3, BAD, True),
        ([BAD, SERVER_ERROR, BAD, 2], 4, 2, None),  # not twice in a row
        ([SERVER_ERROR, SERVER_ERROR, SERVER_ERROR, BAD], 4, BAD, False),  # no request left for the second sighting
    ],
)
def test_how_often_a_task_is_asked_about(script, requests, last, is_lasting):
    api = Api(t17=script)
    pool, stop = pool_of(api)
    outcome = asyncio.run(pool.fetch(TASK))
    assert len(api.asked) == requests
    assert len(stop.slept) == requests - 1
    if is_lasting is None:
        assert outcome.detail.status == last
    else:
        assert (outcome.reason, outcome.is_lasting) == (last, is_lasting)


@pytest.mark.parametrize("attempts", [1, 2, 10])
def test_attempts_bound_the_requests_for_a_task(attempts):
    api = Api(t17=[SERVER_ERROR])
    pool, _ = pool_of(api, attempts=attempts)
    assert asyncio.run(pool.fetch(TASK)).reason is SERVER_ERROR
    assert len(api.asked) == attempts


def test_delays_are_those_of_the_policy():
    class Steps(RetryPolicy):
        def delay_seconds(self, failure, *, attempt):
            return (failure.reason, attempt)

    api = Api(t17=[THROTTLED, SERVER_ERROR, 2])
    stop = SleeplessStop()
    pool = Pool(api.ask, pace=Pace(1e6, sleep=stop.sleep), policy=Steps(attempts=4), concurrency=1, stop=stop)
    asyncio.run(pool.fetch(TASK))
    assert [slept for slept in stop.slept if isinstance(slept, tuple)] == [(THROTTLED, 1), (SERVER_ERROR, 2)]


def test_traffic_is_counted():
    api = Api(t1=[THROTTLED, THROTTLED, 2], t2=[SERVER_ERROR, 2], t3=[NOT_FOUND])
    pool, _ = pool_of(api)
    given = asyncio.run(worked(pool, [PendingTask(task_id=str(number)) for number in range(1, 11)]))
    assert len(given) == 10
    assert pool.traffic == Traffic(requests=13, retries=3, throttled=2)
    assert len(api.asked) == 13


def test_every_task_has_one_outcome_whatever_the_others_do():
    api = Api(**{f"t{number}": [SERVER_ERROR, BAD, 2] for number in range(0, 200, 3)})
    pool, _ = pool_of(api, concurrency=7)
    tasks = [PendingTask(task_id=str(number)) for number in range(200)]
    given = asyncio.run(worked(pool, tasks))
    assert sorted(int(outcome.task.task_id) for outcome in given) == list(range(200))


@pytest.mark.parametrize("concurrency", [1, 5, 64])
def test_so_many_at_once_and_no_more(concurrency):
    api = Api()

    async def scenario():
        api.answer = asyncio.Event()
        pool, _ = pool_of(api, concurrency=concurrency)
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
        api, room = Api(), asyncio.Semaphore(3)
        pool, _ = pool_of(api, concurrency=2)
        backlog = Backlog(low=0)
        backlog.fill(PendingTask(task_id=str(number)) for number in range(50))
        backlog.end()
        working = asyncio.create_task(pool.work(backlog, lambda _outcome: room.acquire()))
        for _ in range(500):
            await asyncio.sleep(0)
        asked_while_full = len(api.asked)
        for _ in range(50):
            room.release()
        await working
        return asked_while_full, len(api.asked)

    assert asyncio.run(scenario()) == (5, 50)


@pytest.mark.parametrize("error", [CredentialsRefusedError("no"), UnavailableError("quota")])
def test_an_error_that_concerns_every_task_orders_the_stop_once(error):
    api = Api(t0=[error], t1=[StoppedError("another")], t2=[UnavailableError("another")])
    pool, stop = pool_of(api, concurrency=3)
    given = asyncio.run(worked(pool, [PendingTask(task_id=str(number)) for number in range(500)]))
    assert stop.reason is error
    assert given == []
    assert len(api.asked) == 3


def test_the_stop_abandons_a_task_between_two_attempts():
    async def scenario():
        api, stop = Api(t17=[SERVER_ERROR]), Stop()
        pool = Pool(
            api.ask,
            pace=Pace(1e6, sleep=stop.sleep),
            policy=RetryPolicy(attempts=4, base_seconds=7200, cap_seconds=7200),
            concurrency=1,
            stop=stop,
        )
        fetching = asyncio.create_task(pool.fetch(TASK))
        while not api.asked:  # noqa: ASYNC110  it is about to be
            await asyncio.sleep(0)
        stop.order(StoppedError("a signal"))
        async with asyncio.timeout(5):
            return await fetching, api.asked

    assert asyncio.run(scenario()) == (None, ["17"])


def test_an_answer_that_arrives_after_the_stop_counts():
    async def scenario():
        api = Api()
        api.answer = asyncio.Event()
        pool, stop = pool_of(api, concurrency=2)
        working = asyncio.create_task(worked(pool, [PendingTask(task_id=str(number)) for number in range(10)]))
        while api.in_flight < 2:  # noqa: ASYNC110  it is about to be
            await asyncio.sleep(0)
        stop.order(StoppedError("a signal"))
        api.answer.set()
        return await working, api.asked

    given, asked = asyncio.run(scenario())
    assert [outcome.task.task_id for outcome in given] == asked == ["0", "1"]


def test_the_stop_ends_workers_that_wait_for_their_turn():
    async def scenario():
        api, stop = Api(), Stop()
        pool = Pool(
            api.ask,
            pace=Pace(0.001, sleep=stop.sleep),
            policy=RetryPolicy(attempts=4),
            concurrency=64,
            stop=stop,
        )
        working = asyncio.create_task(worked(pool, [PendingTask(task_id=str(number)) for number in range(1000)]))
        while not api.asked:  # noqa: ASYNC110  it is about to be
            await asyncio.sleep(0)
        stop.order(StoppedError("a signal"))
        return await working, api.asked

    given, asked = asyncio.run(scenario())
    assert len(given) == len(asked) == 1


def test_a_bug_ends_the_work():
    api = Api(t3=[ZeroDivisionError("a bug")])
    pool, stop = pool_of(api)
    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(worked(pool, [PendingTask(task_id=str(number)) for number in range(100)]))
    assert caught.group_contains(ZeroDivisionError)
    assert not stop.is_ordered

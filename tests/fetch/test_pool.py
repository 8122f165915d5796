import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest

from etl.error_codes import Code
from etl.errors import ConfigurationError, CredentialsRefusedError, StoppedError, UnavailableError
from etl.fetch.backlog import Backlog
from etl.fetch.budget import RetryBudget
from etl.fetch.gate import Gate
from etl.fetch.pool import Pool, Traffic
from etl.fetch.retry import RetryPolicy
from etl.rate.limiter import RateLimiter
from etl.shutdown import Shutdown
from etl.tasks import FetchFailure, Observation, PendingTask
from etl.tasks.detail import TaskDetail
from etl.tasks.failure_reasons import FailureReason
from tests.fetch.virtual_time import run_virtually

NOW = datetime(2026, 11, 7, tzinfo=UTC)
TASK = PendingTask(task_id="17")


def outcome_of(task, response):
    if isinstance(response, FailureReason):
        return FetchFailure(task=task, reason=response, failed_at=NOW, detail=response.value)
    return Observation(task=task, detail=TaskDetail(task_id=task.task_id, status=response), observed_at=NOW)


class Api:
    """Returns the scripted responses of each task in order and repeats the last one; an exception is raised."""

    def __init__(self, **script):
        self.script = {name.removeprefix("t"): list(responses) for name, responses in script.items()}
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
        responses = self.script.get(task.task_id, [2])
        response = responses.pop(0) if len(responses) > 1 else responses[0]
        if isinstance(response, Exception):
            raise response
        return outcome_of(task, response)


class NoDelay(RetryPolicy):
    def delay_seconds(self, *, attempt):
        return 0.0


def pool_of(api, *, attempts=4, concurrency=4, shutdown=None, max_rate=1e6, policy=None, elsewhere=()):
    shutdown = shutdown or Shutdown()
    loop = asyncio.get_running_loop()
    return Pool(
        api.ask,
        gate=Gate(RateLimiter(max_rate, clock=loop.time), shutdown=shutdown, patience_seconds=900, clock=loop.time),
        policy=policy or NoDelay(attempts=attempts),
        budget=RetryBudget(clock=loop.time),
        concurrency=concurrency,
        shutdown=shutdown,
        find_probes=partial(asyncio.sleep, 0, [PendingTask(task_id=task_id) for task_id in elsewhere]),
    )


async def worked(pool, tasks, *, backlog=None):
    """Let the pool fetch the tasks; returns the delivered outcomes."""
    delivered = []

    async def deliver(outcome):
        delivered.append(outcome)

    backlog = backlog or Backlog(low=0, rest_seconds=60)
    backlog.fill(tasks)
    backlog.end()
    await pool.work(backlog, deliver)
    return delivered


def outcomes_of(api, tasks, **options):
    """Fetch tasks on virtual time; returns the outcomes, the pool and the shutdown."""

    async def scenario():
        shutdown = Shutdown()
        pool = pool_of(api, shutdown=shutdown, **options)
        return await worked(pool, tasks), pool, shutdown

    return run_virtually(scenario())


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


@pytest.mark.parametrize(
    "error",
    [
        CredentialsRefusedError("no", code=Code.CREDENTIALS_REFUSED, remedy="Renew them."),
        UnavailableError("quota", code=Code.DATABASE_UNAVAILABLE, remedy="Wait."),
    ],
)
def test_an_error_that_concerns_every_task_requests_the_shutdown_once(error):
    api = Api(
        t0=[error],
        t1=[StoppedError("another", code=Code.STOPPED_BY_SIGNAL, remedy="Go on.")],
        t2=[UnavailableError("another", code=Code.DATABASE_UNAVAILABLE, remedy="Wait.")],
    )

    async def scenario():
        api.answer = asyncio.Event()
        asyncio.get_running_loop().call_later(1, api.answer.set)
        shutdown = Shutdown()
        pool = pool_of(api, concurrency=3, shutdown=shutdown)
        return await worked(pool, [PendingTask(task_id=str(number)) for number in range(500)]), shutdown

    delivered, shutdown = run_virtually(scenario())
    assert shutdown.reason is error
    assert delivered == []
    assert len(api.asked) == 3


def test_a_response_after_the_shutdown_request_counts():
    async def scenario():
        api = Api()
        api.answer = asyncio.Event()
        shutdown = Shutdown()
        pool = pool_of(api, concurrency=2, shutdown=shutdown)
        working = asyncio.create_task(worked(pool, [PendingTask(task_id=str(number)) for number in range(10)]))
        while api.in_flight < 2:  # noqa: ASYNC110  it is about to be
            await asyncio.sleep(0)
        shutdown.request(StoppedError("a signal", code=Code.STOPPED_BY_SIGNAL, remedy="Go on."))
        api.answer.set()
        return await working, api.asked

    delivered, asked = asyncio.run(scenario())
    assert [outcome.task.task_id for outcome in delivered] == asked == ["0", "1"]


def test_a_shutdown_ends_workers_that_wait_at_the_gate():
    async def scenario():
        api, shutdown = Api(), Shutdown()
        pool = pool_of(api, max_rate=0.001, concurrency=64, shutdown=shutdown)
        working = asyncio.create_task(worked(pool, [PendingTask(task_id=str(number)) for number in range(1000)]))
        while not api.asked:  # noqa: ASYNC110  it is about to be
            await asyncio.sleep(0)
        shutdown.request(StoppedError("a signal", code=Code.STOPPED_BY_SIGNAL, remedy="Go on."))
        return await working, api.asked

    delivered, asked = asyncio.run(scenario())
    assert len(delivered) == len(asked) == 1


def test_retries_beyond_the_budget_happen_at_the_end():
    number = 400
    api = Api(**{f"t{each}": [SERVER_ERROR, 2] for each in range(0, number, 3)})
    delivered, pool, _ = outcomes_of(api, [PendingTask(task_id=str(each)) for each in range(number)])
    assert sum(isinstance(outcome, Observation) for outcome in delivered) == number
    failing = len(range(0, number, 3))
    assert pool.traffic.requests == number + failing
    last = api.asked[number:]
    assert len(last) > 0.5 * failing, "most of them had to wait"


def test_a_task_that_fails_in_the_deferred_pass_stays_for_the_next_run():
    number = 400
    broken = {f"t{each}": [SERVER_ERROR] for each in range(0, number, 3)}
    delivered, pool, shutdown = outcomes_of(Api(**broken), [PendingTask(task_id=str(each)) for each in range(number)])
    failures = [outcome for outcome in delivered if isinstance(outcome, FetchFailure)]
    assert len(failures) == len(broken)
    assert not any(failure.is_lasting for failure in failures)
    assert pool.traffic.requests <= number + 2 * len(broken)
    assert shutdown.reason is None, "failures in half a pass are not an outage to wait for"


def test_refusals_of_every_task_end_the_run_without_dead_letters():
    class Refusing:
        async def ask(self, task):
            await asyncio.sleep(0.01)
            return replace(outcome_of(task, FailureReason.REJECTED), http_status=400)

    delivered, pool, shutdown = outcomes_of(Refusing(), [PendingTask(task_id=str(each)) for each in range(5000)])
    assert delivered == []
    assert isinstance(shutdown.reason, ConfigurationError)
    assert pool.traffic.requests < 30


def test_an_unexpected_exception_ends_the_work():
    api = Api(t3=[ZeroDivisionError("a bug")])
    with pytest.raises(ExceptionGroup) as caught:
        outcomes_of(api, [PendingTask(task_id=str(number)) for number in range(100)])
    assert caught.group_contains(ZeroDivisionError)


FORBIDDEN_TASKS = {f"t{number}": [FailureReason.FORBIDDEN] for number in range(1, 101)}


@pytest.mark.parametrize("elsewhere", [["900"], ["1", "2", "900"], ["1", "2", "3", "4", "900"]])
def test_forbidden_tasks_in_front_end_no_run_if_another_task_is_answered(elsewhere):
    api = Api(**FORBIDDEN_TASKS)
    tasks = [PendingTask(task_id=str(number)) for number in range(1, 111)]
    outcomes, pool, shutdown = outcomes_of(api, tasks, elsewhere=elsewhere)
    assert shutdown.reason is None
    assert Counter(type(outcome) for outcome in outcomes) == {FetchFailure: 100, Observation: 10}
    assert {outcome.task.task_id for outcome in outcomes} == {task.task_id for task in tasks}
    assert len(tasks) < pool.traffic.requests <= len(tasks) + len(elsewhere) + 5


def test_forbidden_tasks_everywhere_end_the_run():
    api = Api(**FORBIDDEN_TASKS)
    tasks = [PendingTask(task_id=str(number)) for number in range(1, 51)]
    outcomes, pool, shutdown = outcomes_of(api, tasks, elsewhere=["96", "97", "98", "99"])
    assert outcomes == []
    assert type(shutdown.reason) is CredentialsRefusedError
    assert pool.traffic.requests <= 20 + 5 + 4
    assert {"96", "97", "98", "99"} <= set(api.asked)


def test_the_outcome_of_a_probe_is_delivered_for_no_task():
    api = Api(**FORBIDDEN_TASKS)
    tasks = [PendingTask(task_id=str(number)) for number in range(1, 31)]
    outcomes, _, _ = outcomes_of(api, tasks, elsewhere=["900"])
    assert "900" in api.asked
    assert "900" not in {outcome.task.task_id for outcome in outcomes}

"""How the work of the pool ends: by the end of the tasks, by a request to stop, and by refusals of every task."""

import asyncio
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

from etl.error_codes import Code
from etl.errors import ConfigurationError, CredentialsRefusedError, StoppedError, UnavailableError
from etl.shutdown import Shutdown
from etl.tasks import FetchFailure, Observation, PendingTask
from etl.tasks.failure_reasons import FailureReason
from tests.fetch.scripted_api import NOW, TASK, Api, outcome_of, outcomes_of, pool_of, worked
from tests.fetch.virtual_time import run_virtually


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
    api = Api(**{f"t{each}": [FailureReason.SERVER_ERROR, 2] for each in range(0, number, 3)})
    delivered, pool, _ = outcomes_of(api, [PendingTask(task_id=str(each)) for each in range(number)])
    assert sum(isinstance(outcome, Observation) for outcome in delivered) == number
    failing = len(range(0, number, 3))
    assert pool.traffic.requests == number + failing
    last = api.asked[number:]
    assert len(last) > 0.5 * failing, "most of them had to wait"


def test_a_task_that_fails_in_the_deferred_pass_stays_for_the_next_run():
    number = 400
    broken = {f"t{each}": [FailureReason.SERVER_ERROR] for each in range(0, number, 3)}
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


def test_a_probe_is_not_late_because_its_task_was_looked_for():
    page = FetchFailure(
        task=TASK,
        reason=FailureReason.UNRECOGNIZED,
        failed_at=NOW,
        detail="html",
        own_reason=FailureReason.BAD_PAYLOAD,
    )
    asked = []

    class Timed(Api):
        async def ask(self, task):
            asked.append((asyncio.get_running_loop().time(), task.task_id))
            return replace(page, task=task) if task.task_id == "1" else await super().ask(task)

    tasks = [PendingTask(task_id=str(number)) for number in range(1, 5)]
    outcomes_of(Timed(), tasks, elsewhere=["9"], find_seconds=0.2, max_rate=4, concurrency=1)

    assert asked[1][1] == "9"
    assert min(later - earlier for (earlier, _), (later, _) in pairwise(asked)) >= 1 / 4


def test_the_outcome_of_a_probe_is_delivered_for_no_task():
    api = Api(**FORBIDDEN_TASKS)
    tasks = [PendingTask(task_id=str(number)) for number in range(1, 31)]
    outcomes, _, _ = outcomes_of(api, tasks, elsewhere=["900"])
    assert "900" in api.asked
    assert "900" not in {outcome.task.task_id for outcome in outcomes}

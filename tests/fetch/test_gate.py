"""The gate on virtual time, in front of APIs whose behaviour depends on the time."""

import asyncio
from collections import deque
from datetime import UTC, datetime

import pytest

from etl.error_codes import Code
from etl.errors import CredentialsRefusedError, OutageError, StoppedError
from etl.exit_codes import ExitCode
from etl.fetch.backlog import Backlog
from etl.fetch.budget import RetryBudget
from etl.fetch.gate import Gate
from etl.fetch.pool import Pool
from etl.fetch.retry import RetryPolicy
from etl.rate.limiter import RateLimiter
from etl.shutdown import Shutdown
from etl.tasks import FetchFailure, Observation, PendingTask
from etl.tasks.detail import TaskDetail
from etl.tasks.failure_reasons import FailureReason
from tests.fetch.virtual_time import run_virtually

NOW = datetime(2026, 11, 7, tzinfo=UTC)
LATENCY = 0.05


class World:
    """An API whose responses depend on the time and on the requests before."""

    def __init__(self):
        self.sent_at = []
        self.answers = []

    async def ask(self, task):
        now = asyncio.get_running_loop().time() - 1000
        self.sent_at.append(now)
        response = self.outcome(now, task)
        await asyncio.sleep(LATENCY)
        self.answers.append(response)
        if isinstance(response, Exception):
            raise response
        if isinstance(response, FetchFailure):
            return response
        return Observation(task=task, detail=TaskDetail(task_id=task.task_id, status=2), observed_at=NOW)

    def share_of(self, reason):
        refused = sum(isinstance(response, FetchFailure) and response.reason is reason for response in self.answers)
        return refused / len(self.answers)


def failure(task, reason, **more):
    return FetchFailure(task=task, reason=reason, failed_at=NOW, detail="no", **more)


def new_task(number):
    return PendingTask(task_id=str(number))


def night(world, *, tasks=1000, max_rate=200, concurrency=64, patience_seconds=900, stop_after=None):
    """Fetch tasks, or a number of them, from the world; returns the outcomes, the pool, the reason and the seconds."""

    async def scenario():
        loop, shutdown, delivered = asyncio.get_running_loop(), Shutdown(), []
        backlog = Backlog(low=0, rest_seconds=60)

        async def deliver(outcome):
            delivered.append(outcome)

        async def close():
            await shutdown.wait()
            backlog.close()

        pool = Pool(
            world.ask,
            gate=Gate(
                RateLimiter(max_rate, clock=loop.time),
                shutdown=shutdown,
                patience_seconds=patience_seconds,
                clock=loop.time,
            ),
            policy=RetryPolicy(attempts=4),
            budget=RetryBudget(clock=loop.time),
            concurrency=concurrency,
            shutdown=shutdown,
        )
        backlog.fill(map(new_task, range(tasks)) if isinstance(tasks, int) else tasks)
        backlog.end()
        if stop_after is not None:
            loop.call_later(
                stop_after,
                shutdown.request,
                StoppedError("The time is up.", code=Code.STOPPED_BY_SIGNAL, remedy="Go on."),
            )
        closing = asyncio.create_task(close())
        await pool.work(backlog, deliver)
        closing.cancel()
        return delivered, pool, shutdown.reason, loop.time() - 1000

    return run_virtually(scenario())


def observed(delivered):
    return sum(isinstance(outcome, Observation) for outcome in delivered)


class Down(World):
    def outcome(self, now, task):
        return failure(task, FailureReason.SERVER_ERROR)


def test_an_outage_costs_few_requests_and_no_attempts():
    world = Down()
    delivered, pool, reason, seconds = night(world, tasks=5000)
    assert isinstance(reason, OutageError)
    assert reason.exit_code is ExitCode.UNAVAILABLE
    assert pool.traffic.requests == len(world.sent_at) < 200
    assert delivered == []
    assert seconds == pytest.approx(900, abs=60)


def test_without_patience_there_is_no_probe():
    world = Down()
    _, _, reason, seconds = night(world, tasks=5000, patience_seconds=0)
    assert isinstance(reason, OutageError)
    assert seconds < 1


def test_a_deadline_ends_a_pause():
    _, _, reason, seconds = night(Down(), tasks=5000, stop_after=30)
    assert (reason.message, seconds) == ("The time is up.", pytest.approx(30, abs=0.1))


class DownInTheMiddle(World):
    def outcome(self, now, task):
        return failure(task, FailureReason.UNREACHABLE) if 5 < now < 65 else None


def test_single_probes_wait_for_the_end_of_an_outage():
    world = DownInTheMiddle()
    delivered, pool, reason, _ = night(world, tasks=3000)
    assert reason is None
    assert observed(delivered) == 3000
    assert pool.traffic.requests <= 1.1 * 3000
    # The requests in flight when the outage began, and then one at a time.
    assert sum(6 < moment < 65 for moment in world.sent_at) <= 4


class Flapping(World):
    """An API that is up for 10 seconds and down for 10, in turn."""

    def outcome(self, now, task):
        return failure(task, FailureReason.SERVER_ERROR) if now % 20 >= 10 else None


def test_every_task_is_observed_on_a_flapping_api():
    world = Flapping()
    delivered, pool, reason, seconds = night(world, tasks=5000)
    assert reason is None
    assert observed(delivered) == 5000
    assert pool.traffic.requests <= 1.1 * 5000
    assert seconds < 4 * 5000 / 200 + 120


class HiddenLimit(World):
    """Accepts ``limit`` requests in any one second, without naming the limit."""

    def __init__(self, limit, **details):
        super().__init__()
        self.limit = limit
        self.details = details
        self.accepted_at = deque(maxlen=limit)

    def outcome(self, now, task):
        if len(self.accepted_at) == self.limit and self.accepted_at[0] > now - 1:
            return failure(task, FailureReason.THROTTLED, **self.details)
        self.accepted_at.append(now)
        return None


@pytest.mark.parametrize("limit", [5, 50, 250])
def test_a_hidden_limit_at_a_quarter_of_the_rate_is_found_and_used(limit):
    world = HiddenLimit(limit)
    number = 150 * limit
    delivered, pool, reason, seconds = night(world, tasks=number, max_rate=4 * limit)
    assert reason is None
    assert observed(delivered) == number
    assert world.share_of(FailureReason.THROTTLED) < 0.05
    assert number / seconds >= 0.75 * limit
    later = world.answers[len(world.answers) // 2 :]
    assert sum(response is not None for response in later) < 0.01 * len(later)
    assert pool.ceiling == pytest.approx(limit, rel=0.1)
    assert pool.traffic.throttled == len(world.answers) - number


def test_a_limit_that_the_api_names_is_adopted_at_once():
    world = HiddenLimit(50, allowed_rate=50.0)
    delivered, pool, _, seconds = night(world, tasks=5000, max_rate=200)
    assert observed(delivered) == 5000
    assert pool.traffic.throttled < 20
    assert 5000 / seconds >= 0.95 * 50
    assert pool.ceiling == 50


class Storm(World):
    """Throttles every request for one period."""

    def __init__(self, start, end, **details):
        super().__init__()
        self.start, self.end, self.details = start, end, details

    def outcome(self, now, task):
        return failure(task, FailureReason.THROTTLED, **self.details) if self.start <= now < self.end else None


def test_the_whole_pool_observes_a_wait_that_the_api_names():
    world = Storm(2, 2.1, wait_seconds=30.0)
    delivered, _, reason, _ = night(world)
    assert (observed(delivered), reason) == (1000, None)
    assert not [moment for moment in world.sent_at if 2.2 < moment < 32]
    after = [moment for moment in world.sent_at if moment >= 32]
    assert after[1] - after[0] >= 0.99 * LATENCY, "a probe goes first"


def test_throttling_does_not_count_as_an_attempt():
    world = Storm(0, 100)
    delivered, pool, reason, _ = night(world, tasks=50)
    assert (observed(delivered), reason) == (50, None)
    assert pool.traffic.requests < 50 + 64 + 20


@pytest.mark.parametrize("seconds", [901.0, 86_400.0, 1e300])
def test_a_named_wait_that_is_too_long_ends_the_run_cleanly(seconds):
    delivered, pool, reason, took = night(Storm(2, 1e9, wait_seconds=seconds))
    assert isinstance(reason, StoppedError)
    assert "asks to wait" in reason.message
    assert took < 3
    assert observed(delivered) == pool.traffic.observations


def test_endless_throttling_ends_the_run_cleanly():
    _, pool, reason, seconds = night(Storm(0, 1e9))
    assert reason.message.startswith("The API has throttled every request for")
    assert reason.exit_code is ExitCode.STOPPED
    assert seconds == pytest.approx(900, abs=70)
    assert pool.traffic.requests < 120


def test_one_throttled_task_does_not_delay_the_others_for_long():
    class OneIsThrottled(World):
        def outcome(self, now, task):
            return failure(task, FailureReason.THROTTLED) if task.task_id == "7" and now < 200 else None

    world = OneIsThrottled()
    delivered, _, reason, _ = night(world, tasks=500)
    assert (observed(delivered), reason) == (500, None)
    assert world.sent_at[499] < 30, "all others were fetched"


class TokenExpires(World):
    """Refuses requests between the end of a token and its renewal after the first refusal."""

    def __init__(self):
        super().__init__()
        self.expired, self.renewed = 3.0, None

    def outcome(self, now, task):
        if now < self.expired or (self.renewed is not None and now >= self.renewed):
            return None
        if self.renewed is None:
            self.renewed = now + LATENCY
        return failure(task, FailureReason.UNAUTHORIZED)


def test_an_expired_token_costs_the_requests_in_flight_and_a_probe():
    world = TokenExpires()
    delivered, pool, reason, _ = night(world, tasks=2000)
    assert (observed(delivered), reason) == (2000, None)
    assert pool.traffic.requests <= 2000 + 64
    assert world.share_of(FailureReason.UNAUTHORIZED) * len(world.answers) <= 64


def test_refused_credentials_are_sent_once_more_only():
    class Refusing(World):
        def outcome(self, now, task):
            if len(self.answers) < 64:
                return failure(task, FailureReason.UNAUTHORIZED)
            return CredentialsRefusedError("no", code=Code.CREDENTIALS_REFUSED, remedy="Renew them.")

    world = Refusing()
    delivered, pool, reason, _ = night(world, tasks=5000, max_rate=1e6)
    assert isinstance(reason, CredentialsRefusedError)
    assert delivered == []
    assert pool.traffic.requests <= 64 + 2


def test_a_probe_about_a_refused_task_opens_the_gate():
    class OneIsGone(DownInTheMiddle):
        def outcome(self, now, task):
            return super().outcome(now, task) or (
                failure(task, FailureReason.NOT_FOUND, error_code="1") if now > 60 else None
            )

    delivered, _, reason, _ = night(OneIsGone(), tasks=2000)
    assert (len(delivered), reason) == (2000, None)


def test_only_the_first_request_in_line_sleeps():
    async def scenario():
        asleep = []

        async def sleep(seconds):
            asleep.append(seconds)
            await asyncio.Event().wait()

        gate = Gate(
            RateLimiter(10, clock=lambda: 0.0), shutdown=Shutdown(), patience_seconds=1, clock=lambda: 0.0, sleep=sleep
        )
        waiting = [asyncio.create_task(gate.wait()) for _ in range(20)]
        for _ in range(50):
            await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return len(asleep), sum(not task.cancelled() for task in waiting)

    assert asyncio.run(scenario()) == (1, 1)


def test_requests_pass_in_the_order_of_their_arrival():
    async def scenario():
        loop, order = asyncio.get_running_loop(), []
        gate = Gate(RateLimiter(10, clock=loop.time), shutdown=Shutdown(), patience_seconds=1, clock=loop.time)

        async def go(number):
            await gate.wait()
            order.append(number)

        await asyncio.gather(*(go(number) for number in range(50)))
        return order

    assert run_virtually(scenario()) == list(range(50))


def test_a_cancelled_request_does_not_delay_the_others():
    async def scenario():
        loop = asyncio.get_running_loop()
        gate = Gate(RateLimiter(1, clock=loop.time), shutdown=Shutdown(), patience_seconds=1, clock=loop.time)
        await gate.wait()
        first, second = asyncio.create_task(gate.wait()), asyncio.create_task(gate.wait())
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).is_probe is False
        return first.cancelled()

    assert run_virtually(scenario())


def test_a_shutdown_releases_every_waiting_request_at_once():
    async def scenario():
        shutdown = Shutdown()
        gate = Gate(RateLimiter(0.001), shutdown=shutdown, patience_seconds=1)
        waiting = [asyncio.create_task(gate.wait()) for _ in range(1000)]
        await asyncio.sleep(0)
        shutdown.request(StoppedError("a signal", code=Code.STOPPED_BY_SIGNAL, remedy="Go on."))
        async with asyncio.timeout(5):
            return await asyncio.gather(*waiting)

    assert set(asyncio.run(scenario())[1:]) == {None}

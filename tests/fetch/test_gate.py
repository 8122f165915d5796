"""The gate on virtual time, before an API that behaves by the hour."""

import asyncio
from collections import deque
from datetime import UTC, datetime

import pytest

from etl.errors import Code, CredentialsRefusedError, OutageError, StoppedError
from etl.exit_codes import ExitCode
from etl.failure_reasons import FailureReason
from etl.fetch.backlog import Backlog
from etl.fetch.budget import RetryBudget
from etl.fetch.gate import Gate
from etl.fetch.pool import Pool
from etl.fetch.retry import RetryPolicy
from etl.rate.limiter import RateLimiter
from etl.shutdown import Shutdown
from etl.tasks import FetchFailure, Observation, PendingTask, TaskDetail
from tests.fetch.virtual_time import run_virtually

NOW = datetime(2026, 11, 7, tzinfo=UTC)
LATENCY = 0.05


class World:
    """An API with a clock; what it says depends on the time and on what it was asked before."""

    def __init__(self):
        self.sent_at = []
        self.answers = []

    async def ask(self, task):
        now = asyncio.get_running_loop().time() - 1000
        self.sent_at.append(now)
        said = self.say(now, task)
        await asyncio.sleep(LATENCY)
        self.answers.append(said)
        if isinstance(said, Exception):
            raise said
        if isinstance(said, FetchFailure):
            return said
        return Observation(task=task, detail=TaskDetail(task_id=task.task_id, status=2), observed_at=NOW)

    def share_of(self, reason):
        refused = sum(isinstance(said, FetchFailure) and said.reason is reason for said in self.answers)
        return refused / len(self.answers)


def failure(task, reason, **more):
    return FetchFailure(task=task, reason=reason, failed_at=NOW, detail="no", **more)


def night(world, *, tasks=1000, max_rate=200, concurrency=64, patience_seconds=900, stop_after=None):
    """Ask the world about so many tasks; returns the outcomes, the pool, the reason to stop and the seconds it took."""

    async def scenario():
        loop, shutdown, given = asyncio.get_running_loop(), Shutdown(), []
        backlog = Backlog(low=0, rest_seconds=60)

        async def give(outcome):
            given.append(outcome)

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
        backlog.fill(PendingTask(task_id=str(number)) for number in range(tasks))
        backlog.end()
        if stop_after is not None:
            loop.call_later(
                stop_after,
                shutdown.request,
                StoppedError("The time is up.", code=Code.STOPPED_BY_SIGNAL, remedy="Go on."),
            )
        closing = asyncio.create_task(close())
        await pool.work(backlog, give)
        closing.cancel()
        return given, pool, shutdown.reason, loop.time() - 1000

    return run_virtually(scenario())


def observed(given):
    return sum(isinstance(outcome, Observation) for outcome in given)


class Down(World):
    def say(self, now, task):
        return failure(task, FailureReason.SERVER_ERROR)


def test_an_outage_costs_a_few_requests_and_no_task_an_attempt():
    world = Down()
    given, pool, reason, seconds = night(world, tasks=5000)
    assert isinstance(reason, OutageError)
    assert reason.exit_code is ExitCode.UNAVAILABLE
    assert pool.traffic.requests == len(world.sent_at) < 200
    assert given == []
    assert seconds == pytest.approx(900, abs=60)


def test_no_patience_is_no_probe():
    world = Down()
    _, _, reason, seconds = night(world, tasks=5000, patience_seconds=0)
    assert isinstance(reason, OutageError)
    assert seconds < 1


def test_a_deadline_ends_a_pause():
    _, _, reason, seconds = night(Down(), tasks=5000, stop_after=30)
    assert (reason.message, seconds) == ("The time is up.", pytest.approx(30, abs=0.1))


class DownInTheMiddle(World):
    def say(self, now, task):
        return failure(task, FailureReason.UNREACHABLE) if 5 < now < 65 else None


def test_an_outage_that_ends_is_waited_out_by_single_probes():
    world = DownInTheMiddle()
    given, pool, reason, _ = night(world, tasks=3000)
    assert reason is None
    assert observed(given) == 3000
    assert pool.traffic.requests <= 1.1 * 3000
    # The volley that was under way when it began, and then one at a time.
    assert sum(6 < moment < 65 for moment in world.sent_at) <= 4


class Flapping(World):
    """Up for 10 seconds, down for 10."""

    def say(self, now, task):
        return failure(task, FailureReason.SERVER_ERROR) if now % 20 >= 10 else None


def test_a_flapping_api_is_worked_off():
    world = Flapping()
    given, pool, reason, seconds = night(world, tasks=5000)
    assert reason is None
    assert observed(given) == 5000
    assert pool.traffic.requests <= 1.1 * 5000
    assert seconds < 4 * 5000 / 200 + 120


class HiddenLimit(World):
    """Accepts so many in any one second, and does not say how many."""

    def __init__(self, limit, **said):
        super().__init__()
        self.limit = limit
        self.said = said
        self.accepted_at = deque(maxlen=limit)

    def say(self, now, task):
        if len(self.accepted_at) == self.limit and self.accepted_at[0] > now - 1:
            return failure(task, FailureReason.THROTTLED, **self.said)
        self.accepted_at.append(now)
        return None


@pytest.mark.parametrize("limit", [5, 50, 250])
def test_a_hidden_limit_of_a_quarter_is_found_and_used(limit):
    world = HiddenLimit(limit)
    number = 150 * limit
    given, pool, reason, seconds = night(world, tasks=number, max_rate=4 * limit)
    assert reason is None
    assert observed(given) == number
    assert world.share_of(FailureReason.THROTTLED) < 0.05
    assert number / seconds >= 0.75 * limit
    later = world.answers[len(world.answers) // 2 :]
    assert sum(said is not None for said in later) < 0.01 * len(later)
    assert pool.ceiling == pytest.approx(limit, rel=0.1)
    assert pool.traffic.throttled == len(world.answers) - number


def test_a_limit_that_the_api_names_is_kept_at_once():
    world = HiddenLimit(50, allowed_rate=50.0)
    given, pool, _, seconds = night(world, tasks=5000, max_rate=200)
    assert observed(given) == 5000
    assert pool.traffic.throttled < 20
    assert 5000 / seconds >= 0.95 * 50
    assert pool.ceiling == 50


class Storm(World):
    """Throttles everything for a while, once."""

    def __init__(self, start, end, **said):
        super().__init__()
        self.start, self.end, self.said = start, end, said

    def say(self, now, task):
        return failure(task, FailureReason.THROTTLED, **self.said) if self.start <= now < self.end else None


def test_an_order_to_wait_is_kept_by_the_whole_pool():
    world = Storm(2, 2.1, wait_seconds=30.0)
    given, _, reason, _ = night(world)
    assert (observed(given), reason) == (1000, None)
    assert not [moment for moment in world.sent_at if 2.2 < moment < 32]
    after = [moment for moment in world.sent_at if moment >= 32]
    assert after[1] - after[0] >= 0.99 * LATENCY, "a probe goes first"


def test_throttling_is_no_attempt():
    world = Storm(0, 100)
    given, pool, reason, _ = night(world, tasks=50)
    assert (observed(given), reason) == (50, None)
    assert pool.traffic.requests < 50 + 64 + 20


@pytest.mark.parametrize("seconds", [901.0, 86_400.0, 1e300])
def test_an_order_to_wait_for_too_long_ends_the_run_cleanly(seconds):
    given, pool, reason, took = night(Storm(2, 1e9, wait_seconds=seconds))
    assert isinstance(reason, StoppedError)
    assert "asks to wait" in reason.message
    assert took < 3
    assert observed(given) == pool.traffic.observations


def test_throttling_without_end_ends_the_run_cleanly():
    _, pool, reason, seconds = night(Storm(0, 1e9))
    assert reason.message.startswith("The API has throttled every request for")
    assert reason.exit_code is ExitCode.STOPPED
    assert seconds == pytest.approx(900, abs=70)
    assert pool.traffic.requests < 120


def test_a_task_that_alone_is_throttled_holds_up_nobody_for_long():
    class OneIsThrottled(World):
        def say(self, now, task):
            return failure(task, FailureReason.THROTTLED) if task.task_id == "7" and now < 200 else None

    world = OneIsThrottled()
    given, _, reason, _ = night(world, tasks=500)
    assert (observed(given), reason) == (500, None)
    assert world.sent_at[499] < 30, "all others were asked"


class TokenExpires(World):
    """Refuses what it is asked between the end of a token and its renewal at the first refusal."""

    def __init__(self):
        super().__init__()
        self.expired, self.renewed = 3.0, None

    def say(self, now, task):
        if now < self.expired or (self.renewed is not None and now >= self.renewed):
            return None
        if self.renewed is None:
            self.renewed = now + LATENCY
        return failure(task, FailureReason.UNAUTHORIZED)


def test_a_token_that_expires_costs_what_was_in_flight_and_a_probe():
    world = TokenExpires()
    given, pool, reason, _ = night(world, tasks=2000)
    assert (observed(given), reason) == (2000, None)
    assert pool.traffic.requests <= 2000 + 64
    assert world.share_of(FailureReason.UNAUTHORIZED) * len(world.answers) <= 64


def test_credentials_that_stay_refused_are_shown_to_the_api_once_more():
    class Refusing(World):
        def say(self, now, task):
            if len(self.answers) < 64:
                return failure(task, FailureReason.UNAUTHORIZED)
            return CredentialsRefusedError("no", code=Code.CREDENTIALS_REFUSED, remedy="Renew them.")

    world = Refusing()
    given, pool, reason, _ = night(world, tasks=5000, max_rate=1e6)
    assert isinstance(reason, CredentialsRefusedError)
    assert given == []
    assert pool.traffic.requests <= 64 + 2


def test_a_probe_about_a_task_that_is_refused_opens_the_gate():
    class OneIsGone(DownInTheMiddle):
        def say(self, now, task):
            return super().say(now, task) or (
                failure(task, FailureReason.NOT_FOUND, error_code="1") if now > 60 else None
            )

    given, _, reason, _ = night(OneIsGone(), tasks=2000)
    assert (len(given), reason) == (2000, None)


def test_only_the_first_in_line_sleeps():
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


def test_the_first_in_line_goes_first():
    async def scenario():
        loop, order = asyncio.get_running_loop(), []
        gate = Gate(RateLimiter(10, clock=loop.time), shutdown=Shutdown(), patience_seconds=1, clock=loop.time)

        async def go(number):
            await gate.wait()
            order.append(number)

        await asyncio.gather(*(go(number) for number in range(50)))
        return order

    assert run_virtually(scenario()) == list(range(50))


def test_who_gives_up_does_not_hold_up_the_others():
    async def scenario():
        loop = asyncio.get_running_loop()
        gate = Gate(RateLimiter(1, clock=loop.time), shutdown=Shutdown(), patience_seconds=1, clock=loop.time)
        await gate.wait()
        first, second = asyncio.create_task(gate.wait()), asyncio.create_task(gate.wait())
        await asyncio.sleep(0)
        first.cancel()
        assert await second is False
        return first.cancelled()

    assert run_virtually(scenario())


def test_a_stop_sends_everybody_away_at_once():
    async def scenario():
        shutdown = Shutdown()
        gate = Gate(RateLimiter(0.001), shutdown=shutdown, patience_seconds=1)
        waiting = [asyncio.create_task(gate.wait()) for _ in range(1000)]
        await asyncio.sleep(0)
        shutdown.request(StoppedError("a signal", code=Code.STOPPED_BY_SIGNAL, remedy="Go on."))
        async with asyncio.timeout(5):
            return await asyncio.gather(*waiting)

    assert set(asyncio.run(scenario())[1:]) == {None}

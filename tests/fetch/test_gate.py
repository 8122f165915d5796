"""The gate on virtual time, in front of APIs whose behaviour depends on the time."""

import asyncio

import pytest

from etl.error_codes import Code
from etl.errors import CredentialsRefusedError, OutageError, StoppedError
from etl.exit_codes import ExitCode
from etl.fetch.gate import Gate
from etl.rate.limiter import RateLimiter
from etl.shutdown import Shutdown
from etl.tasks.failure_reasons import FailureReason
from tests.fetch.gate_nights import LATENCY, Down, World, failure, night, observed
from tests.fetch.virtual_time import run_virtually


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

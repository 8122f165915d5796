import asyncio
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import StoppedError
from etl.fetch.pace import CATCH_UP_SECONDS, HEADROOM, Pace
from etl.fetch.stop import Stop


class Time:
    """A clock that goes on by sleeping only, and by as much too long as it is told."""

    def __init__(self, lateness=()):
        self.now = 1000.0
        self.lateness = list(lateness)
        self.slept = []

    def clock(self):
        return self.now

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds + (self.lateness.pop(0) if self.lateness else 0)

    def paced(self, pace, number):
        """Go so often, and return when."""

        async def go():
            moments = []
            for _ in range(number):
                await pace.wait()
                moments.append(self.now)
            return moments

        return asyncio.run(go())


def most_in_any_window(moments, seconds):
    first = most = 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - seconds + 1e-9:
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.mark.parametrize("max_rate", [0.5, 1, 7, 50, 200, 5000])
def test_evenly_spread_at_nearly_the_whole_rate(max_rate):
    time = Time()
    moments = time.paced(Pace(max_rate, clock=time.clock, sleep=time.sleep), 1000)
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert moments[0] == 1000
    assert max(gaps) < 1 / max_rate / 0.97
    # All but the first few, which may catch up.
    assert min(gaps[int(max_rate * CATCH_UP_SECONDS) + 1 :]) > 1 / max_rate - 1e-6
    assert (len(moments) - 1) / (moments[-1] - moments[0]) >= 0.975 * max_rate


@pytest.mark.parametrize("stall", [0.1, 1, 60, 3600])
def test_a_stall_is_not_followed_by_a_burst(stall):
    time = Time()
    pace = Pace(200, clock=time.clock, sleep=time.sleep)
    time.paced(pace, 100)
    time.now += stall
    moments = time.paced(pace, 300)
    assert most_in_any_window(moments, 1) <= 200
    assert most_in_any_window(moments, 0.01) <= 2 + 200 * (0.01 + CATCH_UP_SECONDS)


def test_lateness_that_is_within_the_catch_up_costs_nothing():
    time = Time(lateness=[CATCH_UP_SECONDS / 2] * 10_000)
    moments = time.paced(Pace(200, clock=time.clock, sleep=time.sleep), 2000)
    assert len(moments) / (moments[-1] - moments[0]) >= 0.975 * 200


def test_the_first_in_line_goes_first():
    async def scenario():
        time, order = Time(), []
        pace = Pace(10, clock=time.clock, sleep=time.sleep)

        async def go(number):
            await pace.wait()
            order.append(number)

        await asyncio.gather(*(go(number) for number in range(50)))
        return order

    assert asyncio.run(scenario()) == list(range(50))


def test_only_the_first_in_line_sleeps():
    async def scenario():
        asleep = []

        async def sleep(seconds):
            asleep.append(seconds)
            await asyncio.Event().wait()

        pace = Pace(10, clock=lambda: 0.0, sleep=sleep)
        waiting = [asyncio.create_task(pace.wait()) for _ in range(20)]
        for _ in range(50):
            await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return len(asleep), sum(not task.cancelled() for task in waiting)

    assert asyncio.run(scenario()) == (1, 1)


def test_who_gives_up_does_not_hold_up_the_others():
    async def scenario():
        pace = Pace(100)
        await pace.wait()
        first, second = asyncio.create_task(pace.wait()), asyncio.create_task(pace.wait())
        await asyncio.sleep(0)
        first.cancel()
        async with asyncio.timeout(5):
            await second
        return first.cancelled()

    assert asyncio.run(scenario())


def test_a_stop_lets_everybody_through_at_once():
    async def scenario():
        stop = Stop()
        pace = Pace(0.001, sleep=stop.sleep)
        waiting = [asyncio.create_task(pace.wait()) for _ in range(1000)]
        await asyncio.sleep(0)
        stop.order(StoppedError("a signal"))
        async with asyncio.timeout(5):
            await asyncio.gather(*waiting)

    asyncio.run(scenario())


@settings(deadline=None)
@given(
    max_rate=st.floats(0.5, 2000),
    stalls=st.lists(st.one_of(st.just(0.0), st.floats(0, 0.02), st.floats(0, 5)), max_size=300),
    window=st.sampled_from([0.05, 0.5, 1.0, 2.0]),
)
def test_never_faster_whatever_the_stalls(max_rate, stalls, window):
    time = Time(lateness=stalls)
    moments = time.paced(Pace(max_rate, clock=time.clock, sleep=time.sleep), 400)
    # One for the fence post, and what the catch-up lets through early.
    allowed = max_rate * HEADROOM * (window + CATCH_UP_SECONDS) + 1
    assert most_in_any_window(moments, window) <= allowed + 1e-6
    # Nobody is kept longer than until the next turn.
    assert all(slept <= 1 / (max_rate * HEADROOM) + 1e-9 for slept in time.slept)

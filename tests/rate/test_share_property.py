"""Simulated runs share a rate on virtual time: they start, stop, die, freeze and rest at random moments.

A server with a clock of its own counts what all of them send. A run that is frozen executes nothing, and goes on where
it was; this is what SIGSTOP and a sleeping machine do.
"""

import asyncio
from dataclasses import dataclass
from itertools import cycle
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.rate.limiter import RateLimiter
from etl.rate.share import RateShare
from etl.shutdown import Shutdown
from tests.fetch.virtual_time import run_virtually
from tests.rate.test_share import BEGIN, Row, most_in_a_second

SECONDS = 8.0


@dataclass(frozen=True)
class Plan:
    """What one run does; the moments are seconds."""

    starts_at: float
    ends_at: float
    freezes_at: float
    frozen_seconds: float
    rests_at: float
    rest_seconds: float
    interval: float
    """The time between two requests that the run needs for itself: 0 if only the rate limits it."""


moments = st.floats(0, SECONDS)
LATENESS = st.just([0.0]) | st.lists(st.sampled_from([0.0, 0.001, 0.004, 0.01, 0.05]), min_size=1, max_size=20)
"""The seconds by which timers are late, in turn."""

PLANS = st.builds(
    Plan,
    starts_at=st.just(0.0) | st.floats(0, SECONDS / 2),
    ends_at=st.just(SECONDS) | moments,
    freezes_at=st.just(SECONDS) | moments,
    frozen_seconds=st.floats(0.01, 4),
    rests_at=st.just(SECONDS) | moments,
    rest_seconds=st.floats(0.1, 4),
    interval=st.sampled_from([0.0, 0.0, 0.0, 0.01, 0.2]),
)


class SimulatedRun:
    """A run that sends as its plan says."""

    def __init__(self, plan, row, *, name, max_rate, round_trip, lateness):
        self._plan = plan
        self._row = row
        self._name = name
        self._round_trip = round_trip
        self._lateness = lateness
        self._loop = asyncio.get_running_loop()
        self._shutdown = Shutdown()
        self._limiter = RateLimiter(max_rate, clock=self._loop.time)
        self._share = RateShare(
            self._lease,
            row.pause,
            limiter=self._limiter,
            max_rate=max_rate,
            shutdown=self._shutdown,
            clock=self._loop.time,
            sleep=self._sleep,
        )
        self.sent_at = []

    async def work(self):
        """Send until the end, as the gate does."""
        await self._sleep(self._plan.starts_at)
        while self._now < self._plan.ends_at:
            if self._plan.rests_at <= self._now < self._plan.rests_at + self._plan.rest_seconds:
                await self._sleep(self._plan.rest_seconds)
            elif (seconds := self._limiter.seconds_left()) > 0:
                await self._sleep(seconds)
            elif self._share.grants_one():
                self._limiter.take()
                self.sent_at.append(self._now)
                if self._plan.interval:
                    await self._sleep(self._plan.interval)
            else:
                await self._share.next_turn()
                await self._thawed()

    @property
    def _now(self):
        return self._loop.time() - BEGIN

    async def _sleep(self, seconds):
        # A shorter sleep would not advance the clock.
        await asyncio.sleep(max(seconds, 1e-6) + next(self._lateness))
        await self._thawed()

    async def _thawed(self):
        left = self._plan.freezes_at + self._plan.frozen_seconds - self._now
        if 0 < left <= self._plan.frozen_seconds:
            await asyncio.sleep(left)

    async def _lease(self, wish):
        await asyncio.sleep(self._round_trip)
        lease = await self._row.lease(wish, holder=self._name, shutdown=self._shutdown)
        await self._sleep(self._round_trip)
        return lease


def sent_by(plans, *, max_rate, round_trip, clock_error=0.0, lateness=(0.0,)):
    """Return the moments at which all runs have sent."""

    async def scenario():
        row, details = Row(clock_error), {"max_rate": max_rate, "round_trip": round_trip}
        runs = [
            SimulatedRun(plan, row, name=str(number), lateness=cycle(lateness), **details)
            for number, plan in enumerate(plans)
        ]
        await asyncio.gather(*(run.work() for run in runs))
        return [moment for run in runs for moment in run.sent_at]

    return run_virtually(scenario())


@settings(max_examples=40, deadline=None)
@given(
    plans=st.lists(PLANS, min_size=1, max_size=7),
    max_rate=st.sampled_from([39.0, 50.0, 79.0, 80.0, 200.0, 250.0]),
    round_trip=st.sampled_from([0.0, 0.02, 0.7]),
    lateness=LATENESS,
)
def test_no_second_has_more_than_three_percent_too_many_whatever_runs_do(plans, max_rate, round_trip, lateness):
    sent = sent_by(plans, max_rate=max_rate, round_trip=round_trip, lateness=lateness)
    assert most_in_a_second(sent) <= ceil(1.03 * max_rate)


@settings(max_examples=60, deadline=None)
@given(
    plans=st.lists(PLANS, min_size=2, max_size=5),
    max_rate=st.integers(1, 10) | st.sampled_from([0.5, 2.5, 33.0]),
    round_trip=st.sampled_from([0.0, 0.02, 0.7]),
    clock_error=st.sampled_from([0.0, 0.003, 0.1]),
    lateness=LATENESS,
)
def test_no_second_has_one_request_too_many_at_a_low_rate(plans, max_rate, round_trip, clock_error, lateness):
    sent = sent_by(plans, max_rate=max_rate, round_trip=round_trip, clock_error=clock_error, lateness=lateness)
    assert most_in_a_second(sent) <= ceil(max_rate)


@pytest.mark.parametrize(("max_rate", "number"), [(1, 2), (4, 2), (4, 5), (10, 3)])
@pytest.mark.parametrize("clock_error", [0.0, 0.02])
def test_runs_use_a_low_rate_though_their_timers_are_late(max_rate, number, clock_error):
    busy = Plan(0, 60, 60, 0, 60, 0, interval=0.0)
    lateness = [0.001, 0.004, 0.002, 0.0, 0.003]

    sent = sent_by([busy] * number, max_rate=max_rate, round_trip=0.002, clock_error=clock_error, lateness=lateness)

    assert len(sent) / 60 >= 0.85 * max_rate
    assert most_in_a_second(sent) <= max_rate


@pytest.mark.parametrize("number", [1, 2, 4])
def test_a_quick_run_gets_what_slow_ones_leave(number):
    """Each slow run needs 100 ms for a request of its own, so the quick one may send the rest."""
    slow = Plan(0, SECONDS, SECONDS, 0, SECONDS, 0, interval=0.1)
    quick = Plan(0, SECONDS, SECONDS, 0, SECONDS, 0, interval=0.0)

    sent = sent_by([quick, *[slow] * number], max_rate=400.0, round_trip=0.002)

    of_slow = 10 * number
    least = max(40, 1.5 * 10) * number
    assert sum(4 <= moment < 8 for moment in sent) / 4 >= 0.93 * (400 - least) + of_slow * 0.9

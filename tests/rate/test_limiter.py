from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.rate.limiter import (
    CATCH_UP_SECONDS,
    CLIMB,
    DECREASE,
    MIN_RATE,
    NEAR,
    PROBING_CLIMB,
    SECONDS_BETWEEN_DECREASES,
    RateLimiter,
)
from etl.rate.values import HEADROOM


class Time:
    """A clock that only sleeping advances, and whose sleeps may last too long."""

    def __init__(self, lateness=()):
        self.now = 1000.0
        self.lateness = list(lateness)
        self.slept = []

    def clock(self):
        return self.now

    def paced(self, limiter, number):
        """Send so many requests; returns their times."""
        moments = []
        while len(moments) < number:
            seconds = limiter.seconds_left()
            if seconds > 0:
                self.slept.append(seconds)
                self.now += seconds + (self.lateness.pop(0) if self.lateness else 0)
            else:
                limiter.take()
                moments.append(self.now)
        return moments


def most_in_any_window(moments, seconds):
    first = most = 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - seconds + 1e-9:
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.mark.parametrize("max_rate", [0.5, 1, 7, 50, 200, 5000])
def test_requests_are_evenly_spread_at_nearly_the_whole_rate(max_rate):
    time = Time()
    moments = time.paced(RateLimiter(max_rate, clock=time.clock), 1000)
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert moments[0] == 1000
    assert max(gaps) < 1 / max_rate / 0.99
    # The first few requests may catch up.
    assert min(gaps[int(max_rate * CATCH_UP_SECONDS) + 1 :]) > 1 / max_rate - 1e-6
    assert (len(moments) - 1) / (moments[-1] - moments[0]) >= 0.99 * max_rate


@pytest.mark.parametrize("stall", [0.1, 1, 60, 3600])
def test_a_stall_is_not_followed_by_a_burst(stall):
    time = Time()
    limiter = RateLimiter(200, clock=time.clock)
    time.paced(limiter, 100)
    time.now += stall
    moments = time.paced(limiter, 300)
    assert most_in_any_window(moments, 1) <= 200
    assert most_in_any_window(moments, 0.01) <= 2 + 200 * (0.01 + CATCH_UP_SECONDS)


def test_lateness_that_is_within_the_catch_up_costs_nothing():
    time = Time(lateness=[CATCH_UP_SECONDS / 2] * 10_000)
    moments = time.paced(RateLimiter(200, clock=time.clock), 2000)
    assert len(moments) / (moments[-1] - moments[0]) >= 0.99 * 200


def test_a_volley_of_refusals_lowers_the_rate_once():
    time = Time()
    limiter = RateLimiter(100, clock=time.clock)
    time.paced(limiter, 200)
    assert limiter.slow_down()
    assert not limiter.slow_down()
    assert limiter.ceiling == pytest.approx(98, abs=2)
    assert limiter.rate == pytest.approx(DECREASE * limiter.ceiling)
    time.now += SECONDS_BETWEEN_DECREASES
    assert limiter.slow_down()


def test_the_ceiling_is_the_rate_that_was_really_sent():
    time = Time()
    limiter = RateLimiter(1_000_000, clock=time.clock)
    time.paced(limiter, 60)
    limiter.slow_down()
    assert limiter.ceiling == 60
    assert limiter.rate == pytest.approx(42)


def test_the_rate_climbs_back_quickly_to_the_ceiling_slowly_past_it_and_then_to_the_top():
    time = Time()
    limiter = RateLimiter(100, clock=time.clock)
    time.paced(limiter, 200)
    limiter.slow_down()
    ceiling, low = limiter.ceiling, limiter.rate
    start = time.now
    rates = []
    while limiter.rate < 100:
        time.paced(limiter, 1)
        rates.append((time.now - start, limiter.rate))
    assert all(later >= earlier for (_, earlier), (_, later) in pairwise(rates))
    near = next(seconds for seconds, rate in rates if rate >= NEAR * ceiling)
    assert near == pytest.approx((NEAR * ceiling - low) / (CLIMB * 100), rel=0.05)
    past = next(seconds for seconds, rate in rates if rate >= ceiling)
    assert past - near == pytest.approx((1 - NEAR) * ceiling / (PROBING_CLIMB * 100), rel=0.1)
    assert rates[-1][1] == 100


def test_a_ceiling_that_was_passed_without_a_refusal_is_forgotten():
    time = Time()
    limiter = RateLimiter(200, clock=time.clock)
    time.paced(limiter, 20)
    limiter.slow_down()
    assert limiter.ceiling == 20
    time.paced(limiter, 2000)
    assert limiter.ceiling is None
    assert limiter.rate > 21


def test_a_limit_that_the_api_names_is_never_passed():
    time = Time()
    limiter = RateLimiter(200, clock=time.clock)
    assert limiter.limit(50)
    assert not limiter.limit(50)
    assert not limiter.limit(120)
    moments = time.paced(limiter, 3000)
    assert most_in_any_window(moments, 1) <= 50
    assert limiter.rate == limiter.ceiling == 50


@given(rates=st.lists(st.one_of(st.floats(0, 1e9), st.none()), max_size=60), max_rate=st.floats(0.1, 5000))
def test_the_rate_is_never_above_the_maximum_and_never_zero(rates, max_rate):
    time = Time()
    limiter = RateLimiter(max_rate, clock=time.clock)
    for rate in rates:
        _ = limiter.slow_down() if rate is None else limiter.limit(rate)
        moments = time.paced(limiter, 3)
        assert limiter.rate <= max_rate * (1 + 1e-9) or limiter.rate == MIN_RATE
        assert moments[-1] - moments[0] <= 2 / (MIN_RATE * HEADROOM) + 1


@given(
    max_rate=st.floats(0.5, 2000),
    stalls=st.lists(st.one_of(st.just(0.0), st.floats(0, 0.02), st.floats(0, 5)), max_size=300),
    window=st.sampled_from([0.05, 0.5, 1.0, 2.0]),
)
def test_no_stall_makes_the_requests_faster(max_rate, stalls, window):
    time = Time(lateness=stalls)
    moments = time.paced(RateLimiter(max_rate, clock=time.clock), 400)
    # One more request fits at the edge of the window, and the catch-up allows some early ones.
    allowed = max_rate * HEADROOM * (window + CATCH_UP_SECONDS) + 1
    assert most_in_any_window(moments, window) <= allowed + 1e-6
    # No request waits longer than one interval.
    assert all(slept <= 1 / (max_rate * HEADROOM) + 1e-9 for slept in time.slept)

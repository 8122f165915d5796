from itertools import pairwise
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.rate.limiter import CATCH_UP_SECONDS, MAX_CATCH_UP_SECONDS, MIN_RATE_TO_CATCH_UP, RateLimiter
from etl.rate.search import MIN_RATE
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
        return [permit.sent_at for permit in self.permits(limiter, number)]

    def permits(self, limiter, number):
        """Send so many requests; returns their permits."""
        permits = []
        while len(permits) < number:
            seconds = limiter.seconds_left()
            if seconds > 0:
                self.slept.append(seconds)
                self.now += seconds + (self.lateness.pop(0) if self.lateness else 0)
            else:
                permits.append(limiter.take())
        return permits


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
    assert most_in_any_window(moments, 0.01) <= 2 + 200 * (0.01 + MAX_CATCH_UP_SECONDS)


def test_lateness_that_is_within_the_catch_up_costs_nothing():
    time = Time(lateness=[0.001, 0.003, 0.0, 0.008, 0.002, *[0.001] * 40, 0.8 * MAX_CATCH_UP_SECONDS] * 200)
    moments = time.paced(RateLimiter(200, clock=time.clock), 2000)
    assert len(moments) / (moments[-1] - moments[0]) >= 0.99 * 200


def test_a_limit_that_the_api_names_is_never_passed():
    time = Time()
    limiter = RateLimiter(200, clock=time.clock)
    assert limiter.limit(50)
    assert not limiter.limit(50)
    assert not limiter.limit(120)
    moments = time.paced(limiter, 3000)
    assert most_in_any_window(moments, 1) <= 50
    assert limiter.rate == pytest.approx(50)
    assert limiter.ceiling == 50


@given(events=st.lists(st.one_of(st.floats(0, 1e9), st.booleans()), max_size=80), max_rate=st.floats(0.1, 5000))
def test_the_rate_is_never_above_the_maximum_and_never_zero(events, max_rate):
    """Answers, refusals and named limits come in any order."""
    time = Time()
    limiter = RateLimiter(max_rate, clock=time.clock)
    for event in events:
        begin = time.now
        permits = time.permits(limiter, 3)
        assert time.now - begin <= 3 / (MIN_RATE * HEADROOM) + 1
        match event:
            case True:
                limiter.accepted(permits[-1])
            case False:
                limiter.refused(permits[0])
            case _:
                limiter.limit(event)
        assert limiter.rate <= max_rate * (1 + 1e-9) or limiter.rate <= MIN_RATE / HEADROOM * (1 + 1e-9)


@given(
    max_rate=st.floats(0.5, 2000),
    stalls=st.lists(st.one_of(st.just(0.0), st.floats(0, 0.02), st.floats(0, 5)), max_size=300),
    window=st.sampled_from([0.05, 0.5, 1.0, 2.0]),
)
def test_no_stall_makes_the_requests_faster(max_rate, stalls, window):
    time = Time(lateness=stalls)
    moments = time.paced(RateLimiter(max_rate, clock=time.clock), 400)
    # One more request fits at the edge of the window, and the catch-up allows some early ones.
    catch_up = MAX_CATCH_UP_SECONDS if max_rate * HEADROOM >= MIN_RATE_TO_CATCH_UP else CATCH_UP_SECONDS
    allowed = max_rate * HEADROOM * (window + catch_up) + 1
    assert most_in_any_window(moments, window) <= min(allowed + 1e-6, ceil(window) * ceil(max_rate))
    # No request waits longer than one interval and what others have caught up.
    assert all(slept <= 1 / (max_rate * HEADROOM) + catch_up + 1e-9 for slept in time.slept)


def test_requests_that_waited_for_the_answer_to_a_probe_do_not_catch_up():
    """After a short pause, a small bucket has nothing for a second request at once."""
    time = Time()
    limiter = RateLimiter(100, clock=time.clock)
    probe = limiter.take(is_probe=True)
    time.now += 0.1
    limiter.accepted(probe)
    assert most_in_any_window(time.paced(limiter, 20), 0.1) <= 10

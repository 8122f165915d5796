"""The search for a hidden limit, beside servers of virtual time that admit or refuse at once."""

from itertools import pairwise
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.rate.search import MIN_RATE, Decision, LimitSearch
from etl.rate.values import FoundLimit, Permit


class Server:
    """A token bucket that is answered at once; after a refusal the client pauses and sends a probe."""

    def __init__(self, search, limit, burst, *, pause=1.0, refuses=lambda number: False):
        self.refuses = refuses
        self.search, self.limit, self.capacity, self.pause = search, limit, max(1.0, limit * burst), pause
        self.tokens, self.now, self.number = self.capacity, 1000.0, 0
        self.requests = self.refused = 0
        self.decisions = []

    def send(self, *, is_probe=False):
        """Send a request after one interval; returns whether it was admitted."""
        seconds = 1 / self.search.found.rate
        self.now += seconds
        self.tokens = min(self.capacity, self.tokens + seconds * self.limit)
        self.number += 1
        self.requests += 1
        permit = Permit(self.number, self.now, 1, is_probe)
        self.search.sent(permit)
        if self.tokens >= 1 and not self.refuses(self.number):
            self.tokens -= 1
            decision = self.search.accepted(permit, self.now)
        else:
            self.refused += 1
            decision = self.search.refused(permit, self.now)
        if decision:
            self.decisions.append(decision)
        return decision is None or decision in {Decision.RAISED, Decision.PROBED}

    def run(self, seconds):
        """Send for so long; returns the admitted requests in a second."""
        begin, before = self.now, self.requests - self.refused
        while self.now < begin + seconds:
            refused = self.refused
            self.send()
            while self.refused > refused:
                refused = self.refused
                self.now += self.pause
                self.tokens = min(self.capacity, self.tokens + self.pause * self.limit)
                self.send(is_probe=True)
        return (self.requests - self.refused - before) / (self.now - begin)


@pytest.mark.parametrize("burst", [0.2, 1.0, 3.0])
@pytest.mark.parametrize("limit", [8.0, 40.0, 100.0, 300.0])
def test_a_few_refusals_tell_the_limit(limit, burst):
    server = Server(LimitSearch(390.0), limit, burst)
    server.run(60 + 1000 / limit)
    found = server.search.found
    assert 0.95 * limit <= found.low <= 1.02 * limit
    assert server.refused <= 12


@pytest.mark.parametrize("part", [0.005, 0.02, 0.04])
def test_a_low_limit_is_used_with_few_refusals(part):
    """The additive increase by a part of max_rate refused a third of the requests here."""
    server = Server(LimitSearch(400.0), 400 * part, 0.2)
    used = server.run(8000 / (400 * part))
    assert used >= 0.95 * 400 * part
    assert server.refused <= 0.005 * server.requests


def test_a_limit_that_doubles_is_found_and_one_that_halves_is_obeyed():
    """A burst that was believed before the change led to a refusal a second for ever."""
    server = Server(LimitSearch(400.0), 76.0, 0.2, pause=0.3)
    server.run(120)
    for factor in (2.0, 2.0, 0.5, 0.5):
        server.limit, server.capacity = factor * server.limit, factor * server.capacity
        server.run(60)
        before = server.refused
        assert server.run(60) >= 0.93 * server.limit
        assert server.refused - before <= 10
    assert {Decision.PROBED, Decision.RAISED, Decision.CHANGED} <= set(server.decisions)


def test_a_probe_that_fails_at_its_first_step_costs_one_refusal():
    """The bracket was forgotten, and each probe cost a second refusal at a rate that had been refused before."""
    server = Server(LimitSearch(400.0), 76.0, 0.2)
    server.run(120)
    high, refused, probes = server.search.found.high, server.refused, server.decisions.count(Decision.PROBED)
    server.run(600)
    assert server.search.found.high == high
    assert server.refused - refused == server.decisions.count(Decision.PROBED) - probes >= 3


@pytest.mark.parametrize("pause", [0.3, 1.0])
@pytest.mark.parametrize("factor", [1.03, 1.05, 1.08])
def test_a_limit_that_rises_by_less_than_the_first_step_of_a_probe_is_found(factor, pause):
    server = Server(LimitSearch(400.0), 76.0, 0.2, pause=pause)
    server.run(120)
    server.limit, server.capacity = factor * server.limit, factor * server.capacity
    server.run(300)
    assert server.run(300) >= 0.97 * server.limit


@pytest.mark.parametrize("pause", [0.3, 1.0])
@pytest.mark.parametrize("healthy_seconds", [0, 300])
def test_after_a_minute_in_which_every_third_request_was_refused_the_rate_rises_again(pause, healthy_seconds):
    """It fell to one request in four seconds, and the first probe was due after 500 of them."""
    server = Server(LimitSearch(200.0), 1e9, 1.0, pause=pause)
    if healthy_seconds:
        server.run(healthy_seconds)
    server.refuses = lambda number: number % 3 == 0
    server.run(60)
    assert server.search.found.rate < 10
    server.refuses = lambda number: False
    server.run(300)
    assert server.search.found.rate == 200


def test_an_api_that_refuses_a_tenth_of_the_requests_at_any_rate_makes_no_livelock():
    chance = Random(7)
    server = Server(LimitSearch(200.0), 1e9, 1.0, refuses=lambda _: chance.random() < 0.1)
    server.run(600)
    assert server.run(3600) >= 0.2


def test_four_runs_rise_again_together():
    chance = Random(3)
    runs = [Server(LimitSearch(200.0), 1e9, 1.0, refuses=lambda _: chance.random() < 0.1) for _ in range(4)]

    def run(seconds):
        for _ in range(seconds):
            for server in runs:
                server.run(1)
                for other in runs:
                    if server.search.found.serial > other.search.found.serial:
                        other.search.adopt(server.search.found, other.now)

    run(1200)
    assert runs[0].search.found.rate < 1
    for server in runs:
        server.refuses = lambda _: False
    run(600)
    assert {server.search.found.rate for server in runs} == {200}


def test_probes_from_a_fallen_rate_end_where_the_limit_is_as_low_as_it_seems():
    server = Server(LimitSearch(200.0), 150.0, 0.2)
    server.run(300)
    server.limit, server.capacity = 1.5, 1.0
    server.run(600)
    before = server.refused
    assert server.run(3600) >= 0.9 * 1.5
    assert server.refused - before <= 3600 / 240 + 2


def test_a_later_run_rises_from_a_fallen_rate_that_it_adopts():
    fallen = FoundLimit(rate=0.5, low=0.4, high=0.6, shown=150.0, serial=40)
    server = Server(LimitSearch(200.0), 1e9, 1.0)
    server.search.adopt(fallen.for_next_night(), 1000.0)
    server.run(300)
    assert server.search.found.rate == 200


def test_a_refused_probe_and_the_rest_of_a_volley_change_nothing():
    search = LimitSearch(400.0)
    permits = [Permit(number, 1000 + number / 400, 1, is_probe=False) for number in range(1, 40)]
    for permit in permits:
        search.sent(permit)
    assert search.refused(permits[26], 1000.2) is Decision.LOWERED
    found = search.found
    assert [search.refused(permit, 1000.2) for permit in permits[27:]] == [None] * 12
    probe = Permit(40, 1001.2, 1, is_probe=True)
    search.sent(probe)
    assert search.refused(probe, 1001.3) is None
    assert search.found == found


def test_a_limit_of_the_requests_in_flight_is_told_from_one_of_the_rate():
    """The API refuses the sixth request in flight, whatever the rate."""
    search, now, number = LimitSearch(100.0), 1000.0, 0
    for _ in range(40):
        for in_flight in (2, 3, 4, 5, 3, 2, 5, 4) * 40:
            number, now = number + 1, now + 1 / search.found.rate
            permit = Permit(number, now, in_flight, is_probe=False)
            search.sent(permit)
            search.accepted(permit, now)
        if (search.found.max_in_flight or 9) > 5:
            number, now = number + 1, now + 1 / search.found.rate
            permit = Permit(number, now, 6, is_probe=False)
            search.sent(permit)
            search.refused(permit, now)
            now += 0.3
    assert 5 <= search.found.max_in_flight <= 6
    assert search.found.rate >= 50


def test_another_run_and_the_next_night_go_on_from_what_was_found():
    server = Server(LimitSearch(400.0), 100.0, 0.2)
    server.run(60)
    found = server.search.found

    other = LimitSearch(400.0)
    other.adopt(found, 2000.0)
    assert other.found == found
    assert found.shown == pytest.approx(100, rel=0.05)

    night = Server(LimitSearch(400.0), 100.0, 0.2)
    night.search.adopt(found.for_next_night(), 1000.0)
    assert night.run(10) >= 0.97 * 100
    assert night.refused == 0


def test_a_pause_after_a_few_requests_tells_no_window():
    """An API that refused half of the requests for a minute was sent one request a minute in the next five."""
    search = LimitSearch(100.0)
    for number, seconds in enumerate((0, 1), start=1):
        permit = Permit(number, 1000.0 + seconds, 1, is_probe=False)
        search.sent(permit)
    search.refused(permit, permit.sent_at)
    rate = search.found.rate
    for number, seconds in enumerate((6, 11, 16), start=3):
        probe = Permit(number, 1000.0 + seconds, 1, is_probe=True)
        search.sent(probe)
        decision = search.refused(probe, probe.sent_at) if seconds < 16 else search.accepted(probe, probe.sent_at)
    assert (decision, search.found.rate) == (None, rate)


def test_the_next_night_does_not_begin_at_the_lowest_rate_that_no_answer_has_shown():
    search = LimitSearch(4.0)
    for number, seconds in enumerate((0, 10, 25), start=1):
        permit = Permit(number, 1000.0 + seconds, 1, is_probe=False)
        search.sent(permit)
        search.refused(permit, permit.sent_at)
    assert search.found.low == 0
    assert search.found.for_next_night().rate == search.found.rate > MIN_RATE


def test_an_adopted_limit_keeps_what_was_shown():
    """Several runs adopt all day: each time, a very low limit would look like trouble again."""
    search = LimitSearch(400.0)
    search.adopt(FoundLimit(rate=1.0, low=1.0, high=1.02, shown=1.2, serial=30), 0.0)
    assert (search.found.shown, search.found.is_fallen) == (1.2, False)
    search.adopt(FoundLimit(rate=1.0, low=1.0, high=1.02, serial=31), 0.0)
    assert (search.found.shown, search.found.is_fallen) == (4.0, True)


def test_an_adopted_limit_is_kept_within_this_run_s_maximum():
    search = LimitSearch(50.0)
    search.adopt(FoundLimit(rate=100.0, low=90.0, high=None, serial=3), 0.0)
    assert search.found.rate == 50
    search.adopt(FoundLimit(rate=0.0, low=0.0, high=None, serial=4), 0.0)
    assert search.found.rate == MIN_RATE


@given(
    st.lists(st.tuples(st.floats(0, 20), st.integers(1, 64), st.booleans(), st.booleans()), max_size=200),
    st.floats(0.01, 5000),
)
def test_a_refusal_never_raises_the_rate_and_every_change_has_a_new_serial(events, top):
    search, now = LimitSearch(top), 0.0
    serials = [search.found]
    for number, (seconds, in_flight, is_probe, is_refused) in enumerate(events, start=1):
        now += seconds
        permit = Permit(number, now, in_flight, is_probe)
        search.sent(permit)
        before = search.found
        _ = search.refused(permit, now) if is_refused else search.accepted(permit, now)
        assert min(MIN_RATE, top) <= search.found.rate <= top
        if is_refused:
            assert search.found.rate <= before.rate
        serials.append(search.found)
    assert all(later == earlier or later.serial > earlier.serial for earlier, later in pairwise(serials))
    assert msgspec.json.decode(msgspec.json.encode(search.found), type=FoundLimit) is not None

"""The job's limiter and gate in a few nights of the rate lab; ``make rate-lab`` prints the table of many."""

import pytest

from tests.simulation.rate_lab.__main__ import after_change
from tests.simulation.rate_lab.clients import Botocore, Product
from tests.simulation.rate_lab.families import FAMILIES, whole_seconds
from tests.simulation.rate_lab.servers import ConcurrencyLimit, FixedWindow, TokenBucket
from tests.simulation.rate_lab.simulation import Case, simulate


def alone(client):
    return lambda clock, case, rng: [client(clock, case, rng)]


def measured(*, max_rate=400, limit=100, burst=0.2):
    """The case that was measured on a real server."""
    return Case(server=TokenBucket(limit, burst), max_rate=max_rate, latency=0.05, retry_after=whole_seconds)


@pytest.mark.parametrize(("tasks", "least", "most_refused"), [(3_000, 0.88, 0.004), (9_000, 0.94, 0.003)])
def test_a_hidden_limit_of_a_quarter_is_used(tasks, least, most_refused):
    """The search itself costs about ten refusals."""
    night = simulate(alone(Product), measured(), tasks=tasks, seed=1)
    assert night.goodput >= least
    assert night.refused_part <= most_refused


def test_the_second_night_uses_it_from_its_first_second():
    clients = []

    def kept(clock, case, rng):
        clients.append(Product(clock, case, rng))
        return clients

    simulate(kept, measured(), tasks=9_000, seed=1)
    found = clients[0].limiter.found.for_next_night()
    night = simulate(lambda *parts: [Product(*parts, found=found)], measured(), tasks=9_000, seed=2)
    assert night.goodput >= 0.97
    assert sum(at < 10 for at in night.done_at) >= 0.97 * 1_000


@pytest.mark.parametrize("limit", [2, 8])
def test_a_low_limit_makes_no_livelock(limit):
    """Additive increase by a part of max_rate used 0.14 of a limit of 8, and a third of its requests was refused."""
    night = simulate(alone(Product), measured(limit=limit, burst=1.0), tasks=1_500, seed=3)
    assert night.goodput >= 0.93
    assert night.refused_part <= 0.015


@pytest.mark.parametrize(("family", "least"), [("minute quota", 0.9), ("sliding 1 s, RA", 0.85), ("bucket 1 s", 0.97)])
def test_other_kinds_of_limits_are_used(family, least):
    nights = [simulate(alone(Product), FAMILIES[family](family, seed), tasks=3_000, seed=seed) for seed in range(3)]
    assert sum(night.goodput for night in nights) / 3 >= least


@pytest.mark.parametrize("family", ["half of a minute refused, RA", "half of a minute refused"])
def test_after_trouble_with_refusals_at_any_rate_the_rate_is_used_again(family):
    """It was used to 0.002."""
    nights = [after_change("the job", family, seed=seed, tasks=0) for seed in range(6)]
    assert sum(used for _, used, _ in nights) / 6 >= 0.35


def test_a_limit_of_the_requests_in_flight_is_found():
    """The rate alone uses about half of it."""
    case = Case(server=ConcurrencyLimit(8, 0.052), max_rate=400, latency=0.05)
    night = simulate(alone(Product), case, tasks=9_000, seed=1)
    assert night.goodput >= 0.8
    assert night.refused_part <= 0.005


def test_the_limit_of_a_few_requests_in_flight_is_used():
    """The rate that was found before is lower than what as many requests in flight can reach."""
    used = []
    for seed in range(8):
        case = Case(server=ConcurrencyLimit(2, 0.1), max_rate=160, latency=0.095, retry_after=whole_seconds)
        used.append(simulate(alone(Product), case, tasks=3_000, seed=seed).goodput)
    # Without the rise it is 0.68.
    assert sum(used) / 8 >= 0.75


def test_a_window_of_a_minute_tells_its_limit():
    """The pause until the window opens again tells how many requests it admits in which time."""
    case = Case(server=FixedWindow(9.2, 60.0, phase=0.25), max_rate=338, latency=0.04, retry_after=whole_seconds)
    night = simulate(alone(Product), case, tasks=5_000, seed=1)
    assert night.goodput >= 0.95
    assert night.refused_part <= 0.004


def test_a_busy_machine_costs_little():
    case = measured()
    case.busy_machine = True
    night = simulate(alone(Product), case, tasks=9_000, seed=3)
    assert night.goodput >= 0.94
    assert night.refused_part <= 0.003


def test_one_seed_repeats_a_night_and_botocore_is_driven():
    first, again = (simulate(alone(Product), measured(), tasks=500, seed=7) for _ in range(2))
    assert first == again
    assert simulate(alone(Botocore), measured(), tasks=500, seed=7).done == 500

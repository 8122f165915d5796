"""kill -9 at every crash point and at any time: nothing is lost, counted twice or asked about again."""

import random

import pytest

from etl.crash_points import POINTS

PLACES = ["sqlite+duckdb", "sqlite+sqlite", "one sqlite", "postgresql+postgresql", "one postgresql"]
SEED = 20261124
MANY = {"tasks": 8_000, "api__max_rate": 400}
"""Enough tasks for forty runs of a second at most, whatever the speed of the machine."""


@pytest.fixture(params=PLACES, name="places")
def _places(request, two_places):
    return two_places(request.param)


def points_of(places):
    """Return the crash points that a run passes; in one database, a load settles its tasks itself."""
    source, warehouse = (url.get_secret_value() for url in places)
    return [point for point in POINTS if source != warehouse or point != "settling"]


def kill_forty_times(ledger, points):
    """Kill runs at any time and at crash points, in a random order, and finish the work."""
    chance = random.Random(SEED)
    while ledger.deaths < 40:
        point = chance.choice([None, None, *points[1:-2]])
        if point is None:
            assert ledger.kill_after(chance.uniform(0.1, 1.0))
        else:
            ledger.crash(f"{point}:{chance.randint(1, 3)}")
    ledger.finish()


def die_at(ledger, points):
    """Kill one run after the other on the same tasks, at later points each time."""
    for point in points:
        ledger.crash(point)
    ledger.finish()


@pytest.mark.parametrize(("places", "turn"), [(place, turn) for turn, place in enumerate(PLACES)], indirect=["places"])
def test_a_run_that_is_killed_anywhere_is_completed_by_the_next(ledger_of, places, turn):
    """Each pair of databases has a third of the points here, and all of them in the soak."""
    with ledger_of(places, tasks=160) as ledger:
        ledger.kill_after(random.Random(SEED + turn).uniform(0.1, 0.6))
        die_at(ledger, points_of(places)[turn % 3 :: 3])


def test_what_a_killed_run_has_loaded_into_duckdb_can_be_corrected(ledger_of, two_places):
    """DuckDB writes the log of a killed process into its file when the next process closes it."""
    with ledger_of(two_places("sqlite+duckdb"), tasks=60) as ledger:
        ledger.crash("committed")
        ledger.night.change(
            "UPDATE fact_task_status_change SET observed_at = observed_at - INTERVAL 1 HOUR", where="warehouse"
        )
        ledger.finish()


@pytest.mark.soak
def test_a_run_that_is_killed_at_any_point_is_completed_by_the_next(ledger_of, places):
    with ledger_of(places, tasks=400) as ledger:
        die_at(ledger, ["committed:2", *points_of(places)])


@pytest.mark.soak
def test_forty_kills_at_any_time_lose_nothing(ledger_of, places):
    with ledger_of(places, **MANY) as ledger:
        kill_forty_times(ledger, points_of(places))

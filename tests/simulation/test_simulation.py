"""Nights by fixed seeds, those that have found a mistake, and what the simulation itself promises."""

import os

os.environ.setdefault("POLARS_MAX_THREADS", "1")

import pytest

from tests.simulation.campaign import play_seeds, prepare
from tests.simulation.night import play
from tests.simulation.scenario import scenario_of
from tests.simulation.story import told

SEEDS = 160
PARTS = 8


@pytest.mark.parametrize("part", range(PARTS))
def test_no_invariant_breaks_in_fixed_nights(part):
    assert not play_seeds(range(part, SEEDS, PARTS)).broken


def test_a_night_is_the_same_each_time():
    seeds = [3, 5, 20]
    databases = prepare()
    first = [told(play(scenario_of(seed), databases)) for seed in seeds]
    assert [told(play(scenario_of(seed), databases)) for seed in seeds] == first

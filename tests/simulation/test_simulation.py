"""Nights by fixed seeds, and what the simulation itself promises.

Each part plays in a process of its own, since the simulation replaces the machine's clocks for the life of its process.
"""

import os
import subprocess
import sys

import pytest

from tests.documents.pages import ROOT
from tests.simulation.found import FOUND
from tests.simulation.mutations import WRONGS

SEEDS = 200
PARTS = 4


def simulate(*options, hash_seed="0"):
    return call("tests.simulation", "--processes", "1", *options, hash_seed=hash_seed)


def call(module, *options, hash_seed="0"):
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-m", module, *options]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("part", range(PARTS))
def test_no_invariant_breaks_in_fixed_nights(part):
    nights = SEEDS // PARTS
    ended = simulate("--first", str(part * nights), "--nights", str(nights))
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    assert f"{nights} nights" in ended.stdout


def test_no_invariant_breaks_in_the_nights_that_have_found_a_fault():
    ended = simulate("--found")
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    assert ended.stdout.count("All invariants held.") == len(FOUND)


def test_a_broken_night_is_made_smaller_and_its_story_names_the_promise():
    (number,) = [
        place for place, wrong in enumerate(WRONGS, start=1) if wrong.says == "An open task is settled as done."
    ]
    ended = call("tests.simulation.hunt", "--only", str(number), "--nights", "20", "--story")
    assert (ended.returncode, ended.stderr) == (0, "")
    scenario, *story = ended.stdout.splitlines()
    assert "tasks=1, " in scenario
    assert "curses=(), starts=(Start(" in scenario
    assert scenario.endswith("episodes=(), database_faults=(), clock_steps=(), operations=())")
    assert len(story) < 20
    assert story[-1].startswith("BROKEN: a done task has a finished fact: ")


@pytest.mark.parametrize("wrong", WRONGS, ids=lambda wrong: wrong.says)
def test_a_small_wrong_replaces_words_that_the_program_has_in_one_place(wrong):
    assert (ROOT / "etl" / wrong.module).read_text(encoding="utf-8").count(wrong.right) == 1


def test_a_night_is_the_same_in_each_process_and_at_each_time_of_day():
    first, second = (simulate("--first", "3", "--nights", "5", "--story", hash_seed=each) for each in ("1", "2"))
    assert (first.returncode, first.stderr) == (0, "")
    assert len(first.stdout.splitlines()) > 100
    assert first.stdout == second.stdout

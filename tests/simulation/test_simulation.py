"""Nights by fixed seeds, and what the simulation itself promises.

Each part plays in a process of its own, since the simulation replaces the machine's clocks for the life of its process.
"""

import os
import subprocess
import sys

import pytest

from tests.documents.pages import ROOT
from tests.simulation.mutations import WRONGS

SEEDS = 200
PARTS = 4


def simulate(*options, hash_seed="0"):
    command = [sys.executable, "-m", "tests.simulation", "--processes", "1", *options]
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("part", range(PARTS))
def test_no_invariant_breaks_in_fixed_nights(part):
    nights = SEEDS // PARTS
    ended = simulate("--first", str(part * nights), "--nights", str(nights))
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    assert f"{nights} nights" in ended.stdout


@pytest.mark.parametrize("wrong", WRONGS, ids=lambda wrong: wrong.says)
def test_a_small_wrong_replaces_words_that_the_program_has_in_one_place(wrong):
    assert (ROOT / "etl" / wrong.module).read_text(encoding="utf-8").count(wrong.right) == 1


def test_a_night_is_the_same_in_each_process_and_at_each_time_of_day():
    first, second = (simulate("--first", "3", "--nights", "3", "--story", hash_seed=each) for each in ("1", "2"))
    assert (first.returncode, first.stderr) == (0, "")
    assert len(first.stdout.splitlines()) > 100
    assert first.stdout == second.stdout

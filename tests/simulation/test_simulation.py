"""Nights by fixed seeds, and what the simulation itself promises.

Each part plays in a process of its own, since the simulation replaces the machine's clocks for the life of its process.
"""

import subprocess
import sys

import pytest

from tests.documents.pages import ROOT
from tests.simulation.mutations import WRONGS

SEEDS = 200
PARTS = 4


def simulate(*options):
    command = [sys.executable, "-m", "tests.simulation", "--processes", "1", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("part", range(PARTS))
def test_no_invariant_breaks_in_fixed_nights(part):
    nights = SEEDS // PARTS
    ended = simulate("--first", str(part * nights), "--nights", str(nights))
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    assert f"{nights} nights" in ended.stdout


@pytest.mark.parametrize("wrong", WRONGS, ids=lambda wrong: wrong.says)
def test_a_small_wrong_replaces_words_that_the_program_has_in_one_place(wrong):
    assert (ROOT / "etl" / wrong.module).read_text(encoding="utf-8").count(wrong.right) == 1


def test_a_night_is_the_same_each_time():
    first, second = (simulate("--first", "3", "--nights", "3", "--story") for _ in range(2))
    assert (first.returncode, first.stderr) == (0, "")
    assert len(first.stdout.splitlines()) > 100
    assert first.stdout == second.stdout

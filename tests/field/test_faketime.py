"""The job on a machine whose clock was wrong, and is right again: libfaketime shows it to the whole program."""

import subprocess
import sys
from datetime import timedelta

import pytest

from etl.fake_api import Behaviour, Override, StatusWeights
from tests.field.parts import folder_for
from tests.machine_clock import MachineClock
from tests.nights import TOKEN, task_ids

pytestmark = [pytest.mark.field]

IDS = task_ids(40)
EXECUTING, SUCCESS = 1, 2
AHEAD = timedelta(days=3)


@pytest.fixture
def clock():
    with folder_for("nobody") as folder:
        yield MachineClock(folder)


def run_on(clock):
    command = [*clock.prefix, sys.executable, "-m", "etl", "run", "--log-format", "json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stderr


@pytest.mark.parametrize("names", ["sqlite+duckdb", "one sqlite"])
@pytest.mark.parametrize("ahead", [AHEAD, -AHEAD], ids=["fast", "slow"])
def test_a_night_on_a_wrong_clock_hides_no_task_from_the_next(night_of, two_places, clock, names, ahead):
    still_open = IDS[::2]
    with night_of(Behaviour(token=TOKEN, weights=StatusWeights(new=0, executing=0)), *two_places(names)) as night:
        night.api.world.overrides.update({task_id: Override(status=EXECUTING) for task_id in still_open})
        night.enqueue(*IDS)
        clock.set(ahead)
        run_on(clock)
        clock.set(timedelta())
        night.api.world.overrides.update({task_id: Override(status=SUCCESS) for task_id in still_open})
        assert ("checked_in_future" in run_on(clock)) is (ahead > timedelta())
        assert set(night.states().values()) == {"done"}
        assert night.facts() == night.truth(IDS)
        for command in ("doctor", "plan", "status"):
            assert night.run(command).exit_code == 0

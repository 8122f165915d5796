"""Tasks that never answer, on virtual time: what they cost a night whose other tasks are answered."""

import asyncio
from collections import Counter

import pytest

from etl.tasks import FetchFailure, PendingTask
from etl.tasks.failure_reasons import FailureReason
from tests.fetch.gate_nights import World, failure, new_task, night, observed

TIMEOUT_SECONDS = 30.0


class Hanging(World):
    """An API that does not answer about some tasks."""

    def __init__(self, *hanging):
        super().__init__()
        self.hanging = set(hanging)
        self.asks = Counter()

    async def ask(self, task):
        self.asks[task.task_id] += 1
        if task.task_id not in self.hanging:
            return await super().ask(task)
        await asyncio.sleep(TIMEOUT_SECONDS)
        return failure(task, FailureReason.TIMEOUT)

    def outcome(self, now, task):
        return None


def tasks_of_a_night(number, *failed_before):
    return [PendingTask(task_id=each, attempts=2) for each in failed_before] + [
        new_task(each) for each in range(number) if str(each) not in failed_before
    ]


@pytest.mark.parametrize("others", [0, 70, 400])
def test_a_new_task_that_never_answers_costs_a_short_night_two_time_outs(others):
    world = Hanging("0")
    delivered, _, reason, seconds = night(world, tasks=others + 1)
    assert reason is None
    assert observed(delivered) == others
    assert world.asks["0"] == 2
    assert seconds < 2 * TIMEOUT_SECONDS + 5


@pytest.mark.parametrize("others", [0, 70, 400])
def test_a_task_that_failed_before_costs_a_short_night_one_time_out(others):
    world = Hanging("0")
    delivered, _, _, seconds = night(world, tasks=tasks_of_a_night(others + 1, "0"))
    assert observed(delivered) == others
    assert world.asks["0"] == 1
    assert seconds < TIMEOUT_SECONDS + 5


def test_all_attempts_are_made_while_others_keep_the_run_busy():
    world = Hanging("0", "1")
    delivered, _, _, seconds = night(world, tasks=tasks_of_a_night(10_000, "0"), max_rate=50)
    assert observed(delivered) == 9_998
    assert world.asks["0"] == world.asks["1"] == 4
    assert seconds == pytest.approx(10_000 / 49.65, abs=3)


@pytest.mark.parametrize("hanging", [10, 30])
def test_many_tasks_that_hung_before_cost_a_night_one_time_out_too(hanging):
    ids = [str(number) for number in range(hanging)]
    world = Hanging(*ids)
    delivered, _, _, seconds = night(world, tasks=tasks_of_a_night(8_000, *ids))
    assert sum(isinstance(outcome, FetchFailure) for outcome in delivered) == hanging
    assert seconds < 8_000 / 195 + TIMEOUT_SECONDS + 5


def test_a_task_that_hangs_once_is_audited_in_the_same_run():
    class Once(Hanging):
        async def ask(self, task):
            self.hanging = set() if self.asks[task.task_id] else self.hanging
            return await super().ask(task)

    world = Once("0")
    delivered, _, _, seconds = night(world, tasks=20)
    assert observed(delivered) == 20
    assert seconds < TIMEOUT_SECONDS + 5

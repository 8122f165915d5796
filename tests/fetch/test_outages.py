"""An outage counts no attempt: only answers to requests after a failure show that it concerns its task."""

import asyncio

import pytest

from etl.tasks import FetchFailure, PendingTask
from etl.tasks.failure_reasons import FailureReason
from tests.fetch.scripted_api import outcome_of, outcomes_of

TASKS = [PendingTask(task_id=str(number)) for number in (1, 2, 3)]


class FailingApi:
    """Answers about task 1 quickly and about task 2 slowly, and refuses all requests about task 3."""

    def __init__(self, *, answers):
        """Set how many requests are answered, before the outage."""
        self.answers = answers

    async def ask(self, task):
        self.answers -= task.task_id != "3"
        if task.task_id == "3" or self.answers < 0:
            await asyncio.sleep(0.1)
            return outcome_of(task, FailureReason.UNREACHABLE)
        await asyncio.sleep(0.15 if task.task_id == "2" else 0.01)
        return outcome_of(task, 2)


@pytest.mark.parametrize("attempts", [1, 2])
@pytest.mark.parametrize(
    ("answers", "counts_attempt"), [(2, False), (3, True)], ids=["in an outage", "while others are answered"]
)
def test_an_answer_that_was_on_its_way_does_not_show_that_a_failure_concerns_its_task(
    answers, counts_attempt, attempts
):
    outcomes, _, _ = outcomes_of(FailingApi(answers=answers), TASKS, attempts=attempts)
    (failure,) = [outcome for outcome in outcomes if isinstance(outcome, FetchFailure)]
    assert (failure.task.task_id, failure.counts_attempt) == ("3", counts_attempt)

"""What becomes of a task, given what was learnt about it. Pure."""

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from etl.failure_reasons import FailureReason
from etl.task_detail import TERMINAL_STATUSES
from etl.tasks import FetchFailure, Observation, Outcome, PendingTask, Settlement, TaskState, is_valid_task_id

MIN_CLAIMS = 3
"""A run that was killed is rarely a task's fault; two such runs, and a third that asked about nothing else, are."""


def claims_allowed(dead_letter_after: int) -> int:
    """Say how many claims a task may have that end without an answer, not even a failure; at the last it is alone."""
    return max(dead_letter_after, MIN_CLAIMS)


def reject_unaskable(task: PendingTask, *, dead_letter_after: int, now: datetime) -> FetchFailure | None:
    """Say why a task must not be asked about, if so.

    A task that was claimed again and again without an answer has killed its runs, the last of them by itself.
    """
    if not is_valid_task_id(task.task_id):
        detail = "A task ID is 1 to 19 digits."
        return FetchFailure(task=task, reason=FailureReason.INVALID_ID, failed_at=now, detail=detail)
    if task.attempts > claims_allowed(dead_letter_after):
        detail = f"Claimed by {task.attempts - 1} runs that ended without an answer."
        return FetchFailure(task=task, reason=FailureReason.EXHAUSTED, failed_at=now, detail=detail)
    return None


def exhaust_if_due(failure: FetchFailure, *, dead_letter_after: int) -> FetchFailure:
    """Turn a failure for now into one for good, if its task has had its runs."""
    if failure.is_lasting or failure.task.attempts < dead_letter_after:
        return failure
    detail = f"Failed in {failure.task.attempts} runs, at last: {failure.reason}: {failure.detail}"
    return replace(failure, reason=FailureReason.EXHAUSTED, detail=detail)


def already_audited(task: PendingTask, *, now: datetime) -> Settlement:
    """Say what to write about a task whose fact stands already, by a run that died before it could acknowledge it."""
    return Settlement(task=task, state=TaskState.DONE, settled_at=now)


def settlement_of(outcome: Outcome) -> Settlement:
    """Say what to write about a task where it came from."""
    match outcome:
        case Observation():
            state = TaskState.DONE if is_finished(outcome) else TaskState.PENDING
            return Settlement(task=outcome.task, state=state, settled_at=outcome.observed_at)
        case FetchFailure():
            state_after = TaskState.DEAD if outcome.is_lasting else None
            error = f"{outcome.reason}: {outcome.detail}"
            return Settlement(task=outcome.task, state=state_after, settled_at=outcome.failed_at, error=error)
        case _:
            assert_never(outcome)


def is_finished(observation: Observation) -> bool:
    """Say whether the task has ended; a status that nobody documented has not."""
    return int(observation.detail.status) in TERMINAL_STATUSES

"""The state that a task gets from its outcome. Pure."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from etl.error_codes import Code
from etl.errors import ConfigurationError
from etl.tasks import MAX_WAIT, FetchFailure, Observation, Outcome, PendingTask, Settlement, TaskState, is_valid_task_id
from etl.tasks.detail import TERMINAL_STATUSES
from etl.tasks.failure_reasons import FailureReason

MIN_CLAIMS = 3
"""A task may have killed two runs by chance; a third run that asked about nothing else proves it."""


def claims_allowed(dead_letter_after: int) -> int:
    """Return how many claims of a task may end without any outcome; in the last of them it is asked about alone."""
    return max(dead_letter_after, MIN_CLAIMS)


def reject_unaskable(
    task: PendingTask, *, dead_letter_after: int, are_claims_of_dead_runs: bool, now: datetime
) -> FetchFailure | None:
    """Return the failure of a task that must not be asked about; None if it may be.

    A task that was claimed too often without an outcome has killed its runs: in the last one it was alone.

    Args:
        task: the claimed task.
        dead_letter_after: the setting of the same name.
        are_claims_of_dead_runs: whether runs without an outcome are dead. If runs take tasks from each other, because
            their clocks differ or they were suspended, the number of claims shows nothing about the task.
        now: the time of the failure.
    """
    if not is_valid_task_id(task.task_id):
        detail = "A task ID is 1 to 19 digits."
        return FetchFailure(task=task, reason=FailureReason.INVALID_ID, failed_at=now, detail=detail)
    if are_claims_of_dead_runs and task.attempts > claims_allowed(dead_letter_after):
        detail = f"Claimed by {task.attempts - 1} runs that ended without an answer."
        return FetchFailure(task=task, reason=FailureReason.EXHAUSTED, failed_at=now, detail=detail)
    return None


def exhaust_if_due(outcome: Outcome, *, dead_letter_after: int) -> Outcome:
    """Turn a passing failure into a lasting one, if its task has failed in enough runs."""
    if isinstance(outcome, Observation) or outcome.is_lasting or not outcome.counts_attempt:
        return outcome
    if outcome.task.attempts < dead_letter_after:
        return outcome
    detail = f"Failed in {outcome.task.attempts} runs, at last: {outcome.reason}: {outcome.detail}"
    return replace(outcome, reason=FailureReason.EXHAUSTED, detail=detail)


def already_audited(task: PendingTask, *, now: datetime) -> Settlement:
    """Return the settlement of a task whose fact a killed run has loaded without acknowledging the task."""
    return Settlement(task=task, state=TaskState.DONE, settled_at=now)


def settlement_of(outcome: Outcome, *, recheck_after: timedelta) -> Settlement:
    """Return what the source records about a task.

    Args:
        outcome: the outcome of this run.
        recheck_after: the time until the next look at a task that is still open; zero means that it is due at once.
    """
    match outcome:
        case Observation(task=task):
            is_open, status = not is_finished(outcome), int(outcome.detail.status)
            looks = task.unchanged_looks + 1 if is_open and task.last_status == status else 0
            return Settlement(
                task=task,
                state=TaskState.PENDING if is_open else TaskState.DONE,
                settled_at=outcome.observed_at,
                status=status,
                unchanged_looks=looks,
                next_check_at=outcome.observed_at + _wait(looks, recheck_after) if is_open and recheck_after else None,
            )
        case FetchFailure():
            state_after = TaskState.DEAD if outcome.is_lasting else None
            error = f"{outcome.reason}: {outcome.summary}"
            return Settlement(
                task=outcome.task,
                state=state_after,
                settled_at=outcome.failed_at,
                counts_attempt=outcome.counts_attempt,
                error=error,
            )
        case _:
            assert_never(outcome)


def _wait(unchanged_looks: int, recheck_after: timedelta) -> timedelta:
    """Return the time until the next look, which doubles with each look that has found nothing new.

    It stays below ``MAX_WAIT``, so that a run at the same time of each night asks about the task every night.
    """
    wait = recheck_after
    for _ in range(unchanged_looks):
        if 2 * wait >= MAX_WAIT:
            break
        wait *= 2
    return wait


def is_finished(observation: Observation) -> bool:
    """Return whether the task has ended; a task with an undocumented status has not."""
    return int(observation.detail.status) in TERMINAL_STATUSES


def updates_ignored(message: str) -> ConfigurationError:
    """Return the error of a database that shows the job tasks, and ignores what the job writes to them."""
    return ConfigurationError(
        message,
        code=Code.TASKS_UNCLAIMABLE,
        remedy="Let the job's user update every row that it can read: check row level security, triggers and views.",
    )

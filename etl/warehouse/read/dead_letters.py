"""Lists dead letters, requests another try for their tasks, or discards them.

This module deletes none. A dead letter has 0 attempts until the next run tries its task again. A discarded one has a
``resolved_at`` without a matching fact, and its detail starts with ``DISCARDED``.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, Text, Update, case, literal, select, update

from etl.error_codes import Code
from etl.errors import InputError
from etl.warehouse.tables import dead_letter

CHUNK_ROWS = 1_000
"""The task IDs in one statement: engines limit the number of parameters."""

DISCARDED = "Discarded. "
"""The start of the detail of a discarded dead letter."""


TRY_AGAIN = "try again"
"""The decision that the next run tries a task again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A selection of open dead letters, which must meet every condition."""

    task_ids: tuple[str, ...] = ()
    """The selected tasks. Empty: all."""
    reasons: tuple[str, ...] = ()
    """The selected reasons. Empty: all."""
    failed_before: datetime | None = None
    failed_after: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A row of ``dead_letter``, with one field for each column."""

    task_id: str
    reason: str
    http_status: int | None
    error_code: str | None
    detail: str
    trace_id: str | None
    attempts: int
    """Runs that failed the task; 0 means that the next run tries it again."""
    first_failed_at: datetime
    last_failed_at: datetime
    resolved_at: datetime | None
    run_id: str

    @property
    def decision(self) -> str | None:
        """The operator's decision about the task; None if there is none yet, or a run has followed it."""
        if self.resolved_at is None:
            return TRY_AGAIN if self.attempts == 0 else None
        return "discarded" if self.detail.startswith(DISCARDED) else None


def open_letters(engine: Engine, choice: Choice, *, max_rows: int | None = None) -> list[DeadLetter]:
    """List open dead letters, those that failed last first.

    Args:
        engine: the warehouse.
        choice: the dead letters to list.
        max_rows: how many to read, at most; None: all.

    Raises:
        InputError: a selected task has no open dead letter.
    """
    letters = dead_letter.c
    query = select(dead_letter).where(letters.resolved_at.is_(None))
    if choice.reasons:
        query = query.where(letters.reason.in_(choice.reasons))
    if choice.failed_before:
        query = query.where(letters.last_failed_at < choice.failed_before)
    if choice.failed_after:
        query = query.where(letters.last_failed_at >= choice.failed_after)
    with engine.execution_options(read_only=True).connect() as connection:
        ordered = query.order_by(letters.last_failed_at.desc(), letters.task_id).limit(max_rows)
        rows = connection.execute(ordered).mappings().all()
    found = {row["task_id"]: DeadLetter(**row) for row in rows}
    if not choice.task_ids:
        return list(found.values())
    if missing := [task_id for task_id in choice.task_ids if task_id not in found]:
        raise InputError(
            f"There is no open dead letter of {', '.join(map(repr, missing[:5]))} that matches.",
            code=Code.DEAD_LETTER_UNKNOWN,
            remedy="`task-audit dead-letters list` lists the open ones.",
        )
    return [row for task_id, row in found.items() if task_id in set(choice.task_ids)]


def letter_of(engine: Engine, task_id: str) -> DeadLetter:
    """Read the dead letter of a task, open or not.

    Raises:
        InputError: the task has no dead letter.
    """
    with engine.execution_options(read_only=True).connect() as connection:
        row = connection.execute(select(dead_letter).where(dead_letter.c.task_id == task_id)).mappings().one_or_none()
    if row is None:
        raise InputError(
            f"There is no dead letter of {task_id!r}.",
            code=Code.DEAD_LETTER_UNKNOWN,
            remedy="`task-audit dead-letters list` lists the open ones.",
        )
    return DeadLetter(**row)


def begin_again(engine: Engine, task_ids: Sequence[str]) -> None:
    """Let the next run try tasks again, without past attempts. A dead letter stays open until its task is audited."""
    _update_open(engine, task_ids, lambda letters: letters.values(attempts=0))


def discard(engine: Engine, task_ids: Sequence[str], *, now: datetime) -> None:
    """Discard the dead letters of tasks. No run asks about these tasks again, unless a user requests it.

    Args:
        engine: the warehouse.
        task_ids: tasks with open dead letters.
        now: the time of the warehouse's clock.
    """
    letters = dead_letter.c
    # The clock of another machine may have dated the last failure in the future.
    settled_at = case((letters.last_failed_at > now, letters.last_failed_at), else_=now)
    _update_open(
        engine,
        task_ids,
        lambda open_: open_.values(resolved_at=settled_at, detail=literal(DISCARDED, Text) + letters.detail),
    )


def _update_open(engine: Engine, task_ids: Sequence[str], change: Callable[[Update], Update]) -> None:
    letters = dead_letter.c
    with engine.begin() as connection:
        for chunk in _chunks(sorted(task_ids)):
            connection.execute(
                change(update(dead_letter)).where(letters.task_id.in_(chunk), letters.resolved_at.is_(None))
            )


def _chunks(task_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (task_ids[start : start + CHUNK_ROWS] for start in range(0, len(task_ids), CHUNK_ROWS))

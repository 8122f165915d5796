"""What an operator does about dead letters: look at them, have their tasks tried again, or give them up.

None is ever deleted. One whose task is to be tried again has 0 attempts until it is; one that was given up has a
``resolved_at`` that no fact explains, and says so in its detail.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, Text, Update, case, literal, select, update

from etl.errors import Code, InputError
from etl.warehouse.tables import dead_letter

CHUNK_ROWS = 1_000
DISCARDED = "Discarded. "
"""Stands before the detail of a dead letter that was given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which of the open dead letters are meant: those that everything here holds for."""

    task_ids: tuple[str, ...] = ()
    """One of these; empty: any."""
    reasons: tuple[str, ...] = ()
    """For one of these; empty: for any."""
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


def open_letters(engine: Engine, choice: Choice) -> list[DeadLetter]:
    """List open dead letters, those that failed last first.

    Raises:
        InputError: a task that is named has no open dead letter.
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
        rows = connection.execute(query.order_by(letters.last_failed_at.desc(), letters.task_id)).mappings().all()
    found = {row["task_id"]: DeadLetter(**row) for row in rows}
    if not choice.task_ids:
        return list(found.values())
    if missing := [task_id for task_id in choice.task_ids if task_id not in found]:
        raise InputError(
            f"There is no open dead letter of {', '.join(map(repr, missing[:5]))} that you mean.",
            code=Code.DEAD_LETTER_UNKNOWN,
            remedy="`task-audit dead-letters list` names those that there are.",
        )
    return [row for task_id, row in found.items() if task_id in set(choice.task_ids)]


def letter_of(engine: Engine, task_id: str) -> DeadLetter:
    """Read the dead letter of a task, open or not.

    Raises:
        InputError: there is none.
    """
    with engine.execution_options(read_only=True).connect() as connection:
        row = connection.execute(select(dead_letter).where(dead_letter.c.task_id == task_id)).mappings().one_or_none()
    if row is None:
        raise InputError(
            f"There is no dead letter of {task_id!r}.",
            code=Code.DEAD_LETTER_UNKNOWN,
            remedy="`task-audit dead-letters list` names the open ones.",
        )
    return DeadLetter(**row)


def begin_again(engine: Engine, task_ids: Sequence[str]) -> None:
    """Note that tasks are to be tried again, with a clean slate; their dead letters stay open until one is audited."""
    _update_open(engine, task_ids, lambda letters: letters.values(attempts=0))


def discard(engine: Engine, task_ids: Sequence[str], *, now: datetime) -> None:
    """Give tasks up: their dead letters are settled, and nobody asks about them again unless told to.

    Args:
        engine: of the warehouse.
        task_ids: whose dead letters are open.
        now: by the warehouse's clock.
    """
    letters = dead_letter.c
    # By the clock of another machine, the last failure may lie ahead.
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

"""Reads the state of the warehouse: the last runs, and the open dead letters."""

from dataclasses import dataclass
from datetime import datetime
from statistics import median_high

from sqlalchemy import Double, Engine, and_, case, cast, func, or_, select

from etl.exit_codes import ExitCode
from etl.runs import AuditRun
from etl.warehouse.tables import audit_run, dead_letter

MIN_REQUESTS_TO_JUDGE = 100
"""A run with fewer requests spends most of its time on other work, so its rate says little."""

MIN_SECONDS_TO_JUDGE = 60.0
"""A run that had to wait still shows its rate if it sent the requests of so many seconds at its ``max_rate``."""

RUNS_TO_JUDGE = 5
"""The runs whose median rate counts, so that one bad night does not decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetters:
    """The open dead letters of one reason."""

    reason: str
    tasks: int
    retried: int
    """Of the tasks, those that the next run tries again, as an operator has decided."""
    oldest_failed_at: datetime
    newest_failed_at: datetime


def last_runs(engine: Engine, *, number: int) -> list[AuditRun]:
    """List the last runs, newest first."""
    query = select(audit_run).order_by(audit_run.c.started_at.desc()).limit(number)
    with engine.execution_options(read_only=True).connect() as connection:
        return [AuditRun(**row) for row in connection.execute(query).mappings()]


def open_dead_letters(engine: Engine) -> list[DeadLetters]:
    """Count the open dead letters by reason."""
    letters = dead_letter.c
    query = (
        select(
            letters.reason,
            func.count().label("tasks"),
            func.count(case((letters.attempts == 0, 1))).label("retried"),
            func.min(letters.first_failed_at).label("oldest_failed_at"),
            func.max(letters.last_failed_at).label("newest_failed_at"),
        )
        .where(letters.resolved_at.is_(None))
        .group_by(letters.reason)
        .order_by(func.count().desc(), letters.reason)
    )
    with engine.execution_options(read_only=True).connect() as connection:
        return [DeadLetters(**row) for row in connection.execute(query).mappings()]


def reached_rate(engine: Engine) -> float | None:
    """Return the requests per second of the last healthy runs, as their median; None if there are none.

    A healthy run audited everything that was due, or sent so many requests that a wait for a few tasks hardly counts.
    One task that never answers makes a short run slow, and says nothing about the next run.
    """
    runs = audit_run.c
    had_no_wait = and_(runs.exit_code == int(ExitCode.OK), runs.requests >= MIN_REQUESTS_TO_JUDGE)
    was_long = cast(runs.requests, Double) >= MIN_SECONDS_TO_JUDGE * runs.max_rate
    query = (
        select(runs.requests, runs.started_at, runs.finished_at)
        .where(runs.finished_at > runs.started_at, runs.max_rate > 0.0, or_(had_no_wait, was_long))
        .order_by(runs.started_at.desc())
        .limit(RUNS_TO_JUDGE)
    )
    with engine.execution_options(read_only=True).connect() as connection:
        rows = connection.execute(query).all()
    rates = [row.requests / (row.finished_at - row.started_at).total_seconds() for row in rows]
    return median_high(rates) if rates else None


def last_ends(engine: Engine) -> dict[str, datetime | None]:
    """Return when a run last ended with 0, and when a run was last complete (0 or 65). Replays do not count."""
    runs = audit_run.c
    query = select(
        func.max(case((runs.exit_code == int(ExitCode.OK), runs.finished_at))).label("last_success_at"),
        func.max(runs.finished_at).label("last_complete_at"),
    ).where(runs.exit_code.in_([int(ExitCode.OK), int(ExitCode.DEAD_LETTERS)]), runs.max_rate > 0.0)
    with engine.execution_options(read_only=True).connect() as connection:
        return dict(connection.execute(query).mappings().one())

"""What a report tells of a period: news by day, failures by code, runs, and dead letters. It reads, nothing else."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Text, case, cast, column, func, literal_column, select

from etl.tasks import TaskStatus
from etl.warehouse.tables import audit_run, dead_letter, dim_result_code, fact_task_status

MOST_DAYS = 62
"""Of submission, the newest."""
MOST_CODES = 20
RUNS_BEFORE = 30
"""The newest before the period, to compare with."""
MOST_LETTERS = 100
"""That are listed one by one, the newest."""

fact, letters, runs = fact_task_status.c, dead_letter.c, audit_run.c

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """The span of time that a report tells of; its end is not part of it."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the warehouse says of a period. Every row is a dictionary of plain values."""

    days: Rows
    """News by day of submission: ``day``, ``succeeded``, ``failed``, ``still_open``; oldest first."""
    failures: Rows
    """Failed tasks by ``result_code``, with ``title``, ``action`` and ``tasks``; the most frequent first."""
    runs: Rows
    """Rows of ``audit_run``, oldest first: all of the period and some before it."""
    reasons: Rows
    """Open dead letters by ``reason``, with ``tasks``."""
    letters: Rows
    """Open dead letters one by one, the newest first."""


def find_run(engine: Engine, run_id: str | None) -> dict[str, Any] | None:
    """Find a run by its ID, or the last one that has ended; None where there is none."""
    query = select(audit_run).order_by(runs.started_at.desc()).limit(1)
    query = query.where(runs.finished_at.is_not(None)) if run_id is None else query.where(runs.run_id == run_id)
    with engine.execution_options(read_only=True).connect() as connection:
        row = connection.execute(query).mappings().one_or_none()
        return dict(row) if row else None


def find(engine: Engine, period: Period) -> Findings:
    """Read what a report tells of a period."""
    with engine.execution_options(read_only=True).connect() as connection:
        return Findings(
            days=_days(connection, period),
            failures=_failures(connection, period),
            runs=_runs(connection, period),
            reasons=_reasons(connection),
            letters=_letters(connection),
        )


def _is_news(period: Period) -> ColumnElement[bool]:
    return (fact.status_changed_at >= period.start) & (fact.status_changed_at < period.end)


def _days(connection: Connection, period: Period) -> Rows:
    by_status = {"succeeded": fact.status == TaskStatus.SUCCESS, "failed": fact.status == TaskStatus.FAILED}
    by_status["still_open"] = fact.status.not_in([TaskStatus.SUCCESS, TaskStatus.FAILED])
    day = _day(connection.dialect.name)
    query = (
        select(day.label("day"), *(func.count(case((is_so, 1))).label(name) for name, is_so in by_status.items()))
        .where(_is_news(period), fact.submitted_at.is_not(None))
        .group_by(day)
        .order_by(column("day").desc())
        .limit(MOST_DAYS)
    )
    return [{**row, "day": str(row["day"])} for row in reversed(connection.execute(query).mappings().all())]


def _day(dialect: str) -> ColumnElement[Any]:
    match dialect:
        case "sqlite":
            return func.substr(cast(fact.submitted_at, Text), 1, 10)
        case "mysql":
            return func.date(fact.submitted_at)
        case _:
            return literal_column("CAST(fact_task_status.submitted_at AT TIME ZONE 'UTC' AS DATE)")


def _failures(connection: Connection, period: Period) -> Rows:
    code = dim_result_code.c
    query = (
        select(fact.result_code, code.title, code.action, func.count().label("tasks"))
        .select_from(fact_task_status.outerjoin(dim_result_code, code.result_code == fact.result_code))
        .where(_is_news(period), fact.status == TaskStatus.FAILED)
        .group_by(fact.result_code, code.title, code.action)
        .order_by(func.count().desc(), fact.result_code)
        .limit(MOST_CODES)
    )
    return _rows(connection, query)


def _runs(connection: Connection, period: Period) -> Rows:
    newest_first = select(audit_run).order_by(runs.started_at.desc())
    told = newest_first.where(runs.started_at >= period.start, runs.started_at < period.end)
    before = newest_first.where(runs.started_at < period.start).limit(RUNS_BEFORE)
    return [*_rows(connection, told), *_rows(connection, before)][::-1]


def _reasons(connection: Connection) -> Rows:
    query = select(letters.reason, func.count().label("tasks")).where(letters.resolved_at.is_(None))
    return _rows(connection, query.group_by(letters.reason).order_by(func.count().desc(), letters.reason))


def _letters(connection: Connection) -> Rows:
    query = select(dead_letter).where(letters.resolved_at.is_(None))
    return _rows(connection, query.order_by(letters.last_failed_at.desc(), letters.task_id).limit(MOST_LETTERS))


def _rows(connection: Connection, query: Any) -> Rows:
    return [dict(row) for row in connection.execute(query).mappings()]

"""Reads the data of a report about a period: news by day, failures by code, runs, and dead letters."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import CTE, Connection, Engine, case, column, func, select

from etl.database.engines import engine_of
from etl.runs import AuditRun
from etl.tasks.detail import TaskStatus
from etl.warehouse.read.dead_letters import DeadLetter
from etl.warehouse.tables import audit_run, dead_letter, dim_result_code, fact_task_status, fact_task_status_change

MAX_DAYS = 62
"""The days of submission in a report, at most: more bars would not be legible. The newest remain."""
MAX_CODES_SHOWN = 20
"""The result codes in a report, at most. The most frequent remain."""

RUNS_BEFORE = 30
"""The runs before the period that a report compares with."""
MAX_LETTERS = 100
"""The dead letters that a report lists one by one, at most. The newest remain."""

fact, change, letters, runs = fact_task_status.c, fact_task_status_change.c, dead_letter.c, audit_run.c

IS_NO_REPLAY = runs.max_rate > 0.0
"""A replay sends no request, so a report about a night leaves it out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOutcomes:
    """The latest statuses in a period of the tasks that were submitted on one day."""

    day: str
    """The day in UTC, as ISO-8601."""
    succeeded: int
    failed: int
    still_open: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedCode:
    """The failed tasks with one result code."""

    result_code: str | None
    title: str | None
    action: str | None
    tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonCount:
    """The number of open dead letters with one reason."""

    reason: str
    tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """The time that a report covers, without its end."""

    start: datetime
    end: datetime
    run_id: str | None = None
    """The only run whose news count. None: all runs of the period."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The warehouse's knowledge of a period."""

    days: Sequence[DayOutcomes]
    """The oldest day first."""
    failures: Sequence[FailedCode]
    """The most frequent code first."""
    runs: Sequence[AuditRun]
    """All runs of the period and some before it, the oldest first."""
    reasons: Sequence[ReasonCount]
    """The most frequent reason first."""
    letters: Sequence[DeadLetter]
    """Open dead letters, the newest first."""


def find_run(engine: Engine, run_id: str | None) -> AuditRun | None:
    """Find a run by its ID, or the last one that has ended; None if there is none."""
    query = select(audit_run).order_by(runs.started_at.desc()).limit(1)
    ended = runs.finished_at.is_not(None) & IS_NO_REPLAY
    query = query.where(ended if run_id is None else runs.run_id == run_id)
    with engine.execution_options(read_only=True).connect() as connection:
        row = connection.execute(query).mappings().one_or_none()
        return AuditRun(**row) if row else None


def find(engine: Engine, period: Period) -> Findings:
    """Read what a report shows of a period."""
    with engine.execution_options(read_only=True).connect() as connection:
        return Findings(
            days=_days(connection, period),
            failures=_failures(connection, period),
            runs=_runs(connection, period),
            reasons=_reasons(connection),
            letters=_letters(connection),
        )


def _news(period: Period) -> CTE:
    """Select the last status and result code of each task that changed in the period."""
    latest = func.row_number().over(partition_by=change.task_id, order_by=change.observed_at.desc())
    asked = (change.observed_at >= period.start) & (change.observed_at < period.end)
    learnt = select(change.task_id, change.status, change.result_code, latest.label("turn")).where(
        asked if period.run_id is None else change.run_id == period.run_id
    )
    numbered = learnt.subquery()
    return select(numbered.c.task_id, numbered.c.status, numbered.c.result_code).where(numbered.c.turn == 1).cte("news")


def _days(connection: Connection, period: Period) -> list[DayOutcomes]:
    news = _news(period)
    status = news.c.status
    by_status = {"succeeded": status == TaskStatus.SUCCESS, "failed": status == TaskStatus.FAILED}
    by_status["still_open"] = status.not_in([TaskStatus.SUCCESS, TaskStatus.FAILED])
    day = engine_of(connection).utc_date(fact_task_status.c.submitted_at)
    query = (
        select(day.label("day"), *(func.count(case((is_so, 1))).label(name) for name, is_so in by_status.items()))
        .select_from(news.join(fact_task_status, fact.task_id == news.c.task_id))
        .where(fact.submitted_at.is_not(None))
        .group_by(day)
        .order_by(column("day").desc())
        .limit(MAX_DAYS)
    )
    return [
        DayOutcomes(**{**row, "day": str(row["day"])}) for row in reversed(connection.execute(query).mappings().all())
    ]


def _failures(connection: Connection, period: Period) -> list[FailedCode]:
    code, news = dim_result_code.c, _news(period)
    query = (
        select(news.c.result_code, code.title, code.action, func.count().label("tasks"))
        .select_from(news.outerjoin(dim_result_code, code.result_code == news.c.result_code))
        .where(news.c.status == TaskStatus.FAILED)
        .group_by(news.c.result_code, code.title, code.action)
        .order_by(func.count().desc(), news.c.result_code)
        .limit(MAX_CODES_SHOWN)
    )
    return [FailedCode(**row) for row in connection.execute(query).mappings()]


def _runs(connection: Connection, period: Period) -> list[AuditRun]:
    newest_first = select(audit_run).where(IS_NO_REPLAY).order_by(runs.started_at.desc())
    within = newest_first.where(runs.started_at >= period.start, runs.started_at < period.end)
    before = newest_first.where(runs.started_at < period.start).limit(RUNS_BEFORE)
    rows = [row for query in (within, before) for row in connection.execute(query).mappings()]
    return [AuditRun(**row) for row in reversed(rows)]


def _reasons(connection: Connection) -> list[ReasonCount]:
    query = select(letters.reason, func.count().label("tasks")).where(letters.resolved_at.is_(None))
    query = query.group_by(letters.reason).order_by(func.count().desc(), letters.reason)
    return [ReasonCount(**row) for row in connection.execute(query).mappings()]


def _letters(connection: Connection) -> list[DeadLetter]:
    query = select(dead_letter).where(letters.resolved_at.is_(None))
    query = query.order_by(letters.last_failed_at.desc(), letters.task_id).limit(MAX_LETTERS)
    return [DeadLetter(**row) for row in connection.execute(query).mappings()]

"""Reads the data of a report about a period: outcomes, failures by code and tenant, runs, and dead letters."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Date, Engine, Text, case, column, func, select, table

from etl.runs import AuditRun
from etl.tasks.detail import TERMINAL_STATUSES, TaskStatus
from etl.warehouse.read.dead_letters import DeadLetter
from etl.warehouse.read.letter_news import LetterNews, letter_news
from etl.warehouse.read.news import IS_NO_REPLAY, Period, letters, news, runs
from etl.warehouse.read.open_tasks import StuckTasks, count_open, stuck_tasks
from etl.warehouse.tables import audit_run, dead_letter, dim_result_code, dim_tenant, fact_task_status

MAX_DAYS = 62
"""The days of submission in a report, at most: more bars would not be legible. The newest remain."""
MAX_CODES_SHOWN = 20
"""The result codes, and the tenants, in a report, at most. The most frequent remain."""

RUNS_BEFORE = 30
"""The runs before the period that a report compares with."""
MAX_LETTERS = 100
"""The dead letters that a report lists one by one, at most. The newest remain."""

fact = fact_task_status.c

v_task_status = table("v_task_status", column("task_id", Text), column("submitted_on", Date))
"""The view, which knows the day of each task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What became of the tasks in a period, each counted once although several runs may have seen it."""

    succeeded: int
    """Of the new or changed tasks, those that had succeeded."""
    failed: int
    """Of the new or changed tasks, those that had failed."""
    news_of_open: int
    """Of the new or changed tasks, those that had not ended."""
    still_open: int
    """All tasks that runs had seen by the end of the period, and that had not ended."""

    @property
    def changed(self) -> int:
        """The tasks that are new or have changed."""
        return self.succeeded + self.failed + self.news_of_open


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOutcomes:
    """The latest statuses in a period of the tasks that were submitted on one day."""

    day: str
    """The day in the time zone of the warehouse, as ISO-8601."""
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
class TenantFailures:
    """The failed tasks of one tenant."""

    tenant_id: str | None
    tenant_name: str | None
    """The name that labels give the tenant."""
    tasks: int
    ended: int
    """All tasks of the tenant that ended in the period."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonCount:
    """The number of open dead letters with one reason."""

    reason: str
    tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The warehouse's knowledge of a period."""

    outcomes: Outcomes
    days: Sequence[DayOutcomes]
    """The oldest day first."""
    failures: Sequence[FailedCode]
    """The most frequent code first."""
    tenants: Sequence[TenantFailures]
    """The tenant with most failed tasks first; none without."""
    runs: Sequence[AuditRun]
    """All runs of the period and some before it, the oldest first."""
    letter_news: Sequence[LetterNews]
    """The dead letters of the period, the most frequent reason first."""
    reasons: Sequence[ReasonCount]
    """The most frequent reason first."""
    letters: Sequence[DeadLetter]
    """Open dead letters, the newest first."""
    stuck: StuckTasks
    """The tasks that have been open for long, when the report was made."""

    def runs_of(self, period: Period) -> Sequence[AuditRun]:
        """List the runs that began in a period, the oldest first."""
        if period.run_id is not None:
            return [run for run in self.runs if run.run_id == period.run_id]
        return [run for run in self.runs if period.start <= run.started_at < period.end]


def last_start(engine: Engine) -> datetime | None:
    """Return when the newest run began; None if there is none."""
    query = select(func.max(runs.started_at)).where(IS_NO_REPLAY)
    with engine.execution_options(read_only=True).connect() as connection:
        found: datetime | None = connection.execute(query).scalar_one()
        return found


def count_unfinished(engine: Engine, period: Period) -> int:
    """Count the runs that began in a period and have not ended, or were killed."""
    query = select(func.count()).where(period.holds(runs.started_at), runs.finished_at.is_(None), IS_NO_REPLAY)
    with engine.execution_options(read_only=True).connect() as connection:
        return connection.execute(query).scalar_one()


def find_run(engine: Engine, run_id: str) -> AuditRun | None:
    """Find a run by its ID; None if there is none."""
    query = select(audit_run).where(runs.run_id == run_id)
    with engine.execution_options(read_only=True).connect() as connection:
        row = connection.execute(query).mappings().one_or_none()
        return AuditRun(**row) if row else None


def find(engine: Engine, period: Period, *, now: datetime) -> Findings:
    """Read what a report shows of a period.

    Args:
        engine: the warehouse.
        period: the period.
        now: the time of the warehouse's clock, at which tasks are stuck or not.
    """
    with engine.execution_options(read_only=True).connect() as connection:
        return Findings(
            outcomes=_outcomes(connection, period),
            days=_days(connection, period),
            failures=_failures(connection, period),
            tenants=_tenants(connection, period),
            runs=_runs(connection, period),
            letter_news=letter_news(connection, period),
            reasons=_reasons(connection),
            letters=_letters(connection),
            stuck=stuck_tasks(connection, now=now),
        )


def _outcomes(connection: Connection, period: Period) -> Outcomes:
    found = news(period)
    status = found.c.status
    counts = select(
        func.count(case((status == TaskStatus.SUCCESS, 1))).label("succeeded"),
        func.count(case((status == TaskStatus.FAILED, 1))).label("failed"),
        func.count(case((status.not_in(TERMINAL_STATUSES), 1))).label("news_of_open"),
    )
    row = connection.execute(counts).mappings().one()
    return Outcomes(**row, still_open=count_open(connection, period.end))


def _days(connection: Connection, period: Period) -> list[DayOutcomes]:
    found, day = news(period), v_task_status.c.submitted_on
    status = found.c.status
    by_status = {"succeeded": status == TaskStatus.SUCCESS, "failed": status == TaskStatus.FAILED}
    by_status["still_open"] = status.not_in(TERMINAL_STATUSES)
    query = (
        select(day.label("day"), *(func.count(case((is_so, 1))).label(name) for name, is_so in by_status.items()))
        .select_from(found.join(v_task_status, v_task_status.c.task_id == found.c.task_id))
        .where(day.is_not(None))
        .group_by(day)
        .order_by(column("day").desc())
        .limit(MAX_DAYS)
    )
    rows = connection.execute(query).mappings().all()
    return [DayOutcomes(**{**row, "day": str(row["day"])}) for row in reversed(rows)]


def _failures(connection: Connection, period: Period) -> list[FailedCode]:
    code, found = dim_result_code.c, news(period)
    query = (
        select(found.c.result_code, code.title, code.action, func.count().label("tasks"))
        .select_from(found.outerjoin(dim_result_code, code.result_code == found.c.result_code))
        .where(found.c.status == TaskStatus.FAILED)
        .group_by(found.c.result_code, code.title, code.action)
        .order_by(func.count().desc(), found.c.result_code)
        .limit(MAX_CODES_SHOWN)
    )
    return [FailedCode(**row) for row in connection.execute(query).mappings()]


def _tenants(connection: Connection, period: Period) -> list[TenantFailures]:
    found = news(period)
    failed = func.count(case((found.c.status == TaskStatus.FAILED, 1)))
    query = (
        select(fact.tenant_id, dim_tenant.c.tenant_name, failed.label("tasks"), func.count().label("ended"))
        .select_from(
            found.join(fact_task_status, fact.task_id == found.c.task_id).outerjoin(
                dim_tenant, dim_tenant.c.tenant_id == fact.tenant_id
            )
        )
        .where(found.c.status.in_(TERMINAL_STATUSES))
        .group_by(fact.tenant_id, dim_tenant.c.tenant_name)
        .having(failed > 0)
        .order_by(failed.desc(), fact.tenant_id)
        .limit(MAX_CODES_SHOWN)
    )
    return [TenantFailures(**row) for row in connection.execute(query).mappings()]


def _runs(connection: Connection, period: Period) -> list[AuditRun]:
    newest_first = select(audit_run).where(IS_NO_REPLAY).order_by(runs.started_at.desc())
    within = newest_first.where(period.holds(runs.started_at))
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

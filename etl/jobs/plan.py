"""Plans a run: counts the due tasks and forecasts the run, without a claim, a request or a write."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from etl.database.clock import clock_of
from etl.jobs.forecast import Forecast, forecast
from etl.jobs.opening import max_rate_of, open_queue, open_user_table, open_warehouse
from etl.runs import RunRequest
from etl.settings.load import Settings
from etl.source.backlog_by_day import DayCounts, backlog_by_day, backlog_by_day_of_pages
from etl.source.waiting import waiting_tasks
from etl.tasks import WaitingTasks
from etl.warehouse.read.overview import reached_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The due tasks, and the forecast of a run."""

    days: Sequence[DayCounts]
    at_allowed_rate: Forecast
    at_reached_rate: Forecast | None
    """The forecast at the rate that the last healthy runs reached; None if that is unknown or not lower."""
    deadline_seconds: float | None
    """The time after which a run ends cleanly, with tasks left."""
    facts_at_most: int
    """The rows of fact_task_status that the run would write, at most: an unchanged task writes none."""
    archives: bool
    """Whether the run would archive the responses."""
    waiting: WaitingTasks | None = None
    """The open tasks that the run would leave alone; None if no task waits with this source."""

    @property
    def fits(self) -> bool:
        """Whether the run would end before its deadline."""
        expected = self.at_reached_rate or self.at_allowed_rate
        return self.deadline_seconds is None or expected.seconds <= self.deadline_seconds


def make_plan(settings: Settings, request: RunRequest) -> Plan:
    """Count the due tasks, and forecast the run.

    Raises:
        TaskAuditError: a database cannot be read.
    """
    waiting = None
    with open_warehouse(settings.warehouse, read_only=True) as warehouse:
        reached = reached_rate(warehouse.engine)
        if settings.source.mode == "read_only":
            with open_user_table(settings.source, request, settled=warehouse.settled) as (source, clock):
                days, now = backlog_by_day_of_pages(source), clock()
    if settings.source.mode == "queue":
        with open_queue(settings.source) as (engine, table):
            now = clock_of(engine)()
            lease = timedelta(seconds=settings.run.lease_seconds)
            days = backlog_by_day(engine, table, request.selection, now=now, lease=lease)
            if request.selection.waits:
                # A task that waits counts as later, or as held by a run that did not wait for it.
                may_wait = any(day.later or day.held for day in days)
                none = WaitingTasks(tasks=0)
                waiting = waiting_tasks(engine, table, request.selection, now=now) if may_wait else none
    due = sum(day.due for day in days)
    tasks = due if request.tasks is None else min(due, request.tasks)
    allowed = max_rate_of(settings, request)
    return Plan(
        days=days,
        at_allowed_rate=forecast(tasks, rate=allowed, now=now),
        at_reached_rate=forecast(tasks, rate=reached, now=now) if reached and reached < allowed else None,
        deadline_seconds=settings.run.deadline_seconds,
        facts_at_most=tasks,
        archives=settings.archive.location is not None,
        waiting=waiting,
    )

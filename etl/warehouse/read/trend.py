"""Compares the failures of a night with those of the nights before it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, case, func, select

from etl.tasks.detail import TERMINAL_STATUSES, TaskStatus
from etl.times.night import Night
from etl.warehouse.read.news import CHANGES_AND_RUNS, change, changed_in, is_change, seen_from
from etl.warehouse.tables import fact_task_status_change

WEEK, MONTH = 7, 28
"""The nights before a night that it is compared with: whole weeks, since Sundays differ from Mondays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedTasks:
    """The tasks that runs of one night saw end, each counted once."""

    night: Night
    ended: int
    failed: int

    @property
    def percent(self) -> float:
        """The failed of the ended tasks, in percent."""
        return 100 * self.failed / self.ended


@dataclass(frozen=True, slots=True)
class Trend:
    """The last nights in which tasks ended, the oldest first."""

    night: Night
    """The night that is compared with the others."""
    nights: Sequence[EndedTasks]

    @property
    def percent(self) -> float | None:
        """The failed of the ended tasks of the night, in percent; None if no task ended."""
        return next((each.percent for each in self.nights if each.night == self.night), None)

    def before(self, number: int) -> Sequence[EndedTasks]:
        """List those of so many nights before it in which tasks ended."""
        first = self.night.before(number).day
        return [each for each in self.nights if first <= each.night.day < self.night.day]

    def percent_before(self, number: int) -> float | None:
        """Return the failed of all tasks that ended in so many nights before it, in percent; None if none ended."""
        nights = self.before(number)
        ended = sum(each.ended for each in nights)
        return 100 * sum(each.failed for each in nights) / ended if ended else None


def trend(engine: Engine, night: Night) -> Trend:
    """Read the outcomes of a night and of the nights before it."""
    nights = [night.before(number) for number in range(MONTH, -1, -1)]
    number = case(*((changed_in < each.end, index) for index, each in enumerate(nights)))
    latest = (
        select(number.label("night"), change.task_id, func.max(change.observed_at).label("observed_at"))
        .select_from(CHANGES_AND_RUNS)
        .where(seen_from(nights[0].start), changed_in >= nights[0].start, changed_in < night.end)
        .group_by(number, change.task_id)
        .subquery()
    )
    query = (
        select(
            latest.c.night,
            func.count().label("ended"),
            func.count(case((change.status == TaskStatus.FAILED, 1))).label("failed"),
        )
        .select_from(fact_task_status_change.join(latest, is_change(latest)))
        .where(change.status.in_(TERMINAL_STATUSES))
        .group_by(latest.c.night)
        .order_by(latest.c.night)
    )
    with engine.execution_options(read_only=True).connect() as connection:
        rows = connection.execute(query).all()
    return Trend(night, [EndedTasks(night=nights[row.night], ended=row.ended, failed=row.failed) for row in rows])

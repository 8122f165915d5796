"""Selects the news of a period: what its runs saw.

A change belongs to the period in which its run began, however long the run took, so that the news of a night fit the
numbers of its runs. A change whose run has no row, since the archive was replayed into a new warehouse, belongs to the
period in which it was observed.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import CTE, ColumnElement, Subquery, and_, func, select

from etl.database.clock import MAX_CLOCK_SKEW
from etl.warehouse.tables import audit_run, dead_letter, fact_task_status_change

change, runs, letters = fact_task_status_change.c, audit_run.c, dead_letter.c

IS_NO_REPLAY = runs.max_rate > 0.0
"""A replay sends no request, so a report about a night leaves it out."""

changed_in = func.coalesce(runs.started_at, change.observed_at)
"""The instant that decides to which period a change belongs."""

CHANGES_AND_RUNS = fact_task_status_change.outerjoin(audit_run, and_(runs.run_id == change.run_id, IS_NO_REPLAY))

failed_in = func.coalesce(runs.started_at, letters.last_failed_at)
"""The instant that decides to which period the last failure of a dead letter belongs."""

LETTERS_AND_RUNS = dead_letter.outerjoin(audit_run, and_(runs.run_id == letters.run_id, IS_NO_REPLAY))


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """The time that a report covers, without its end."""

    start: datetime
    end: datetime
    run_id: str | None = None
    """The only run whose news count. None: all runs that began in the period."""

    def holds(self, instant: ColumnElement[datetime]) -> ColumnElement[bool]:
        """Return the condition that an instant is in the period."""
        return and_(instant >= self.start, instant < self.end)


def seen_from(start: datetime) -> ColumnElement[bool]:
    """Return the condition that leaves out changes which no run from ``start`` on can have seen.

    A run sees nothing before it begins, and the changes have an index of their time.
    """
    return change.observed_at >= start - MAX_CLOCK_SKEW


def news(period: Period) -> CTE:
    """Select the last status and result code of each task that changed in the period."""
    latest = select(change.task_id, func.max(change.observed_at).label("observed_at"))
    if period.run_id is not None:
        latest = latest.where(change.run_id == period.run_id)
    else:
        latest = latest.select_from(CHANGES_AND_RUNS).where(seen_from(period.start), period.holds(changed_in))
    found = latest.group_by(change.task_id).subquery()
    columns = select(change.task_id, change.status, change.result_code)
    return columns.select_from(fact_task_status_change.join(found, is_change(found))).cte("news")


def is_change(found: Subquery) -> ColumnElement[bool]:
    """Return the condition that a change is the one whose key was found.

    A window function would need no join, but DuckDB 1.5 fails with an internal error on one over this outer join.
    """
    return and_(change.task_id == found.c.task_id, change.observed_at == found.c.observed_at)

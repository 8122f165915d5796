"""The conditions of single columns of the pending table."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Table, and_, or_, true

from etl.database.clock import MAX_CLOCK_SKEW
from etl.tasks import MAX_WAIT, Selection, milliseconds

MAX_LEASE = timedelta(days=1)
"""The longest lease that the settings allow."""


def within_range(position: ColumnElement[int], selection: Selection) -> list[ColumnElement[bool]]:
    """Compare submission times with a selection's half-open range."""
    conditions = bounds(position, selection)
    # 0 stands for an ID without a time, which belongs to no range.
    return [*conditions, position != 0] if conditions else []


def bounds(position: ColumnElement[int], selection: Selection) -> list[ColumnElement[bool]]:
    """Compare submission times with the ends of a selection's range; an ID without a time may lie between them."""
    conditions = []
    if selection.since is not None:
        conditions.append(position >= milliseconds(selection.since))
    if selection.until is not None:
        conditions.append(position < milliseconds(selection.until))
    return conditions


def has_ended(table: Table, now: datetime, *, lease: timedelta = MAX_LEASE) -> ColumnElement[bool]:
    """Return whether a lease has ended.

    A lease that would hold for longer than ``lease`` belongs to no run: a clock that was ahead wrote it, or a program
    that adds tasks.
    """
    lease_until = table.c.lease_until
    return or_(lease_until <= now, lease_until > now + lease + MAX_CLOCK_SKEW)


def is_free(table: Table, now: datetime, *, lease: timedelta = MAX_LEASE) -> ColumnElement[bool]:
    """Return whether no run holds a task."""
    return or_(table.c.lease_until.is_(None), has_ended(table, now, lease=lease))


def may_be_checked(table: Table, selection: Selection, now: datetime) -> ColumnElement[bool]:
    """Return whether the time of a task's next check has come, does not matter to a run, or can only be wrong."""
    next_check_at = table.c.next_check_at
    if not selection.waits:
        return true()
    return or_(
        next_check_at.is_(None),
        next_check_at <= now,
        next_check_at > now + MAX_WAIT + MAX_CLOCK_SKEW,
        was_checked_in_future(table, now),
    )


def was_asked_before(table: Table) -> ColumnElement[bool]:
    """Return whether KooDrive has answered about a task before; a run asks about such tasks after all others."""
    return table.c.last_status.is_not(None)


def was_checked_in_future(table: Table, now: datetime) -> ColumnElement[bool]:
    """Return whether a clock that was ahead wrote the time of a task's last check, which then counts as never."""
    checked_at = table.c.last_checked_at
    # The first condition makes the result false for a task that was never checked; it would be null.
    return and_(checked_at.is_not(None), checked_at > now + MAX_CLOCK_SKEW)

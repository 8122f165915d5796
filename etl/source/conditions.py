"""The conditions of single columns of the pending table."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Table, or_

from etl.database.clock import MAX_CLOCK_SKEW
from etl.tasks import Selection, milliseconds

MAX_WAIT = timedelta(days=1)
"""The longest time until the next look at a task."""

MAX_LEASE = timedelta(days=1)
"""The longest lease that the settings allow."""


def within_range(position: ColumnElement[int], selection: Selection) -> list[ColumnElement[bool]]:
    """Compare submission times with a selection's half-open range."""
    conditions = []
    if selection.since is not None:
        conditions.append(position >= milliseconds(selection.since))
    if selection.until is not None:
        conditions.append(position < milliseconds(selection.until))
    if conditions:
        # 0 stands for an ID without a time, which belongs to no range.
        conditions.append(position != 0)
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


def may_be_checked(table: Table, now: datetime) -> ColumnElement[bool]:
    """Return whether the time of a task's next check has come, or can only be wrong."""
    next_check_at = table.c.next_check_at
    return or_(next_check_at.is_(None), next_check_at <= now, next_check_at > now + MAX_WAIT + MAX_CLOCK_SKEW)


def was_checked_in_future(table: Table, now: datetime) -> ColumnElement[bool]:
    """Return whether a clock that was ahead wrote the time of a task's last check, which then counts as never."""
    return table.c.last_checked_at > now + MAX_CLOCK_SKEW

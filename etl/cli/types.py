"""Parses dates, durations, shards and times of day as users type them."""

import os
import re
from datetime import UTC, datetime, time, timedelta

import click

from etl.tasks import Shard

COMPLETION_INDEX = "JOB_COMPLETION_INDEX"
DURATION = re.compile(r"(?:(\d{1,5})d)?(?:(\d{1,5})h)?(?:(\d{1,6})m)?(?:(\d{1,8})s)?", re.ASCII)
PLAIN_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class RangeBound(click.ParamType[datetime]):
    """A plain date, which means the whole UTC day, or an ISO-8601 instant; an instant without a zone is UTC."""

    name = "date"

    def __init__(self, *, is_end: bool) -> None:
        self._is_end = is_end

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the first instant of the range, or the first instant after it."""
        if isinstance(value, datetime):
            return value
        try:
            instant = self._instant(value.strip())
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not a date such as 2026-11-01 or 2026-11-01T06:00:00Z.", param, ctx)
        # Click keeps a sentinel, not None, for an option that is absent.
        since = ctx.params.get("since") if self._is_end and ctx else None
        if isinstance(since, datetime) and is_reversed(since, instant, written=value):
            raise click.UsageError("--since is after --until.", ctx)
        return instant

    def _instant(self, text: str) -> datetime:
        instant = datetime.fromisoformat(text)
        instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
        ends_a_day = self._is_end and PLAIN_DATE.fullmatch(text) is not None
        return instant + timedelta(days=1) if ends_a_day else instant


def is_reversed(since: datetime, until: datetime, *, written: str) -> bool:
    """Return whether a range ends before it starts.

    Args:
        since: the start of the range.
        until: the end of the range, which is not part of it.
        written: the end as the user typed it; a plain date ends one day later, when the next day starts.
    """
    return since > until or (since == until and PLAIN_DATE.fullmatch(written.strip()) is not None)


class Duration(click.ParamType[timedelta]):
    """A duration such as 2h, 90m or 1h30m; a plain number is seconds."""

    name = "duration"

    def convert(self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Make a positive duration."""
        if isinstance(value, timedelta):
            return value
        text = value.strip()
        match = DURATION.fullmatch(f"{text}s" if text.isdigit() else text)
        days, hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0, 0)
        duration = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if not duration:
            self.fail(f"{value!r} is not a duration such as 2h, 90m or 1h30m.", param, ctx)
        return duration


class ShardOf(click.ParamType[Shard]):
    """One part of several: I/N counts from 0; /N takes I from JOB_COMPLETION_INDEX, as an Indexed Job sets it."""

    name = "I/N"

    def convert(self, value: str | Shard, param: click.Parameter | None, ctx: click.Context | None) -> Shard:
        """Make a shard, its index below its count."""
        if isinstance(value, Shard):
            return value
        index, _, count = value.strip().rpartition("/")
        index = index or os.environ.get(COMPLETION_INDEX, "")
        if not (
            index.isascii() and index.isdigit() and count.isascii() and count.isdigit() and int(index) < int(count)
        ):
            self.fail(f"{value!r} is not a part such as 0/4; /4 alone needs {COMPLETION_INDEX}.", param, ctx)
        return Shard(int(index), int(count))


class TimeOfDay(click.ParamType[time]):
    """A time of day in UTC, such as 06:00."""

    name = "HH:MM"

    def convert(self, value: str | time, param: click.Parameter | None, ctx: click.Context | None) -> time:
        """Make a time of day."""
        if isinstance(value, time):
            return value
        try:
            moment = time.fromisoformat(value.strip())
        except ValueError:
            self.fail(f"{value!r} is not a time of day such as 06:00.", param, ctx)
        if moment.tzinfo is not None:
            self.fail(f"{value!r}: the time of day is in UTC, without a zone.", param, ctx)
        return moment


def seconds_until(moment: time, *, now: datetime) -> float:
    """Count the seconds to the next such time of day, in UTC."""
    today = datetime.combine(now.astimezone(UTC).date(), moment, tzinfo=UTC)
    return (today - now).total_seconds() % timedelta(days=1).total_seconds() or timedelta(days=1).total_seconds()

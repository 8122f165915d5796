"""Defines a night, which reports and digests tell as a whole.

A night lasts from 18:00 to 18:00 in a time zone, and has the date of its morning. So it holds the runs of an evening,
their retries after midnight, and the run that a person starts by hand during the working day to make up for them.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

ONE_DAY = timedelta(days=1)

BOUNDARY = time(18)
"""The end of a working day, and hours before the runs of most schedules; no zone changes its clocks at this time."""


@dataclass(frozen=True, slots=True)
class Night:
    """The 24 hours before 18:00 of a day; 23 or 25 if the clocks of the zone change."""

    day: date
    """The day on which the night ends."""
    zone: tzinfo = UTC

    @property
    def start(self) -> datetime:
        """The first instant, in UTC."""
        return _boundary(self.day - ONE_DAY, self.zone)

    @property
    def end(self) -> datetime:
        """The first instant after it, in UTC."""
        return _boundary(self.day, self.zone)

    def before(self, number: int) -> "Night":
        """Return the night so many nights earlier."""
        return Night(self.day - number * ONE_DAY, self.zone)

    def __str__(self) -> str:
        return f"Night to {self.day:%-d %B %Y}"


def night_of(instant: datetime, zone: tzinfo = UTC) -> Night:
    """Return the night that an aware instant belongs to."""
    local = instant.astimezone(zone)
    return Night(local.date() + (ONE_DAY if local.time() >= BOUNDARY else timedelta()), zone)


def _boundary(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, BOUNDARY, zone).astimezone(UTC)

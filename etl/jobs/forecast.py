"""What a number of tasks will take, before any is asked about. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from etl.fetch.budget import MAX_RETRY_SHARE, MIN_RETRIES
from etl.rate.values import HEADROOM


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Calls and time, at a rate."""

    tasks: int
    requests: int
    """One for each task."""
    requests_at_most: int
    """With all the retries that the budget grants."""
    rate: float
    """Requests per second."""
    seconds: float
    """Without retries."""
    ends_at: datetime


def forecast(tasks: int, *, rate: float, now: datetime) -> Forecast:
    """Reckon what tasks will take.

    Args:
        tasks: how many are due.
        rate: requests per second that are allowed, or that are known to be reached.
        now: aware.
    """
    seconds = tasks / (rate * HEADROOM)
    return Forecast(
        tasks=tasks,
        requests=tasks,
        requests_at_most=tasks + ceil(tasks * MAX_RETRY_SHARE) + MIN_RETRIES if tasks else 0,
        rate=rate,
        seconds=seconds,
        ends_at=now + timedelta(seconds=seconds),
    )

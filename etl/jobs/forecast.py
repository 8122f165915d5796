"""Forecasts the requests and the time that a number of tasks takes. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from etl.fetch.budget import MAX_RETRY_SHARE, MIN_RETRIES
from etl.rate.values import HEADROOM


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The requests and the time for a number of tasks."""

    tasks: int
    requests: int
    """The requests without retries: one for each task."""
    requests_at_most: int
    """The requests with all retries that the budget grants."""
    rate: float
    """The requests per second."""
    seconds: float
    """The duration without retries."""
    ends_at: datetime


def forecast(tasks: int, *, rate: float, now: datetime) -> Forecast:
    """Forecast a run.

    Args:
        tasks: the number of due tasks.
        rate: the requests per second, as allowed or as reached before.
        now: the time at which the run starts, aware.
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

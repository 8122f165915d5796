"""The clock of a run: the database server's where there is one, so that runs on several machines agree on leases."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, text

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Tell this machine's time."""
    return datetime.now(UTC)


def clock_of(engine: Engine) -> Clock:
    """Make a clock that tells a server's time from this machine's and the difference measured now."""
    if engine.dialect.name != "postgresql":
        return system_clock
    with engine.connect() as connection:
        asked_at = system_clock()
        server_time: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        answered_at = system_clock()
    difference = server_time.astimezone(UTC) - (asked_at + (answered_at - asked_at) / 2)
    return _shifted(difference)


def _shifted(difference: timedelta) -> Clock:
    return lambda: system_clock() + difference

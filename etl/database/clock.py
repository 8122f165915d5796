"""The clock of a run: the database server's where there is one, so that runs on several machines agree on leases."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, text

from etl.database.types import UtcDateTime

Clock = Callable[[], datetime]

SERVER_TIME = {
    "mysql": text("SELECT UTC_TIMESTAMP(6) AS now").columns(now=UtcDateTime),
    "postgresql": text("SELECT clock_timestamp() AS now").columns(now=UtcDateTime),
}


def system_clock() -> datetime:
    """Tell this machine's time."""
    return datetime.now(UTC)


def clock_of(engine: Engine) -> Clock:
    """Make a clock that tells a server's time from this machine's and the difference measured now."""
    if engine.dialect.name not in SERVER_TIME:
        return system_clock
    with engine.connect() as connection:
        asked_at = system_clock()
        server_time: datetime = connection.execute(SERVER_TIME[engine.dialect.name]).scalar_one()
        answered_at = system_clock()
    difference = server_time - (asked_at + (answered_at - asked_at) / 2)
    return _shifted(difference)


def _shifted(difference: timedelta) -> Clock:
    return lambda: system_clock() + difference

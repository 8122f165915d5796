"""The clock of a run: the database server's where there is one, so that runs on several machines agree on leases."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Engine, literal_column, select

from etl.database.types import UtcDateTime

Clock = Callable[[], datetime]

SERVER_NOW = {
    "mysql": "UTC_TIMESTAMP(6)",
    "postgresql": "clock_timestamp()",
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now')",
}


def server_now(engine: Engine) -> ColumnElement[datetime]:
    """Name the time that an engine's own clock shows, in its words."""
    return literal_column(SERVER_NOW[engine.dialect.name], UtcDateTime).label("now")


def system_clock() -> datetime:
    """Tell this machine's time."""
    return datetime.now(UTC)


def clock_of(engine: Engine) -> Clock:
    """Make a clock that tells a server's time from this machine's and the difference measured now."""
    if engine.dialect.name not in {"mysql", "postgresql"}:
        return system_clock
    with engine.connect() as connection:
        asked_at = system_clock()
        server_time = connection.execute(select(server_now(engine))).scalar_one()
        answered_at = system_clock()
    difference = server_time - (asked_at + (answered_at - asked_at) / 2)
    return _shifted(difference)


def _shifted(difference: timedelta) -> Clock:
    return lambda: system_clock() + difference


class ServerClock:
    """Tells when a server's clock shows a time, on a monotonic clock of this process.

    What the server shows, it has shown between the question and the answer; so each reading bounds the difference of
    the two clocks, and all of them together do so better than the quickest alone.
    """

    def __init__(self) -> None:
        self._least, self._most = float("-inf"), float("inf")
        """Seconds that the server's clock, as seconds from 1970, is ahead."""

    def note(self, asked_at: float, shown: datetime, answered_at: float) -> None:
        """Learn that the server's clock showed a time between two instants of the monotonic clock."""
        least, most = shown.timestamp() - answered_at, shown.timestamp() - asked_at
        self._least, self._most = max(self._least, least), min(self._most, most)
        if self._least > self._most:
            # One of the clocks was set meanwhile, or this machine slept: only what was read last still holds.
            self._least, self._most = least, most

    def at(self, shown: datetime) -> float:
        """Say at which instant of the monotonic clock the server's clock shows a time."""
        return shown.timestamp() - (self._least + self._most) / 2

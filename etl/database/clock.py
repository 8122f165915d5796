"""The clock of a run: the database server's if there is one, so that runs on several machines agree on leases."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Engine, literal_column, select

from etl.database.engines import engine_of
from etl.database.types import UtcDateTime

Clock = Callable[[], datetime]


def server_now(engine: Engine) -> ColumnElement[datetime]:
    """Return the expression for the time by an engine's own clock."""
    return literal_column(engine_of(engine).now_sql, UtcDateTime).label("now")


def system_clock() -> datetime:
    """Return this machine's time."""
    return datetime.now(UTC)


def clock_of(engine: Engine) -> Clock:
    """Make a clock that shows a server's time: this machine's, and the difference measured now."""
    if engine_of(engine).is_file:
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
    """Converts times of a server's clock to a monotonic clock of this process.

    The server reads its clock between the question and the answer. Each reading therefore bounds the difference of the
    two clocks, and all of them together bound it more tightly than the quickest alone.
    """

    def __init__(self) -> None:
        self._min_ahead, self._max_ahead = float("-inf"), float("inf")
        """The bounds of the seconds that the server's clock, as seconds from 1970, is ahead."""

    def note(self, asked_at: float, shown: datetime, answered_at: float) -> None:
        """Learn that the server's clock showed a time between two instants of the monotonic clock."""
        min_ahead, max_ahead = shown.timestamp() - answered_at, shown.timestamp() - asked_at
        self._min_ahead, self._max_ahead = max(self._min_ahead, min_ahead), min(self._max_ahead, max_ahead)
        if self._min_ahead > self._max_ahead:
            # One of the clocks was set meanwhile, or this machine slept: only the last reading still holds.
            self._min_ahead, self._max_ahead = min_ahead, max_ahead

    def at(self, shown: datetime) -> float:
        """Return the instant of the monotonic clock at which the server's clock shows a time."""
        return shown.timestamp() - (self._min_ahead + self._max_ahead) / 2

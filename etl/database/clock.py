"""The clock of a run: the database server's if there is one, so that runs on several machines agree on leases."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import ColumnElement, Engine, literal_column, select

from etl.database.engines import engine_of
from etl.database.types import UtcDateTime

Clock = Callable[[], datetime]

MAX_CLOCK_SKEW = timedelta(minutes=1)
"""The difference of two machines' clocks that means nothing. A later time was written by a clock that was wrong."""


def server_now(engine: Engine) -> ColumnElement[datetime]:
    """Return the expression for the time by an engine's own clock."""
    return literal_column(engine_of(engine).now_sql, UtcDateTime).label("now")


steady_seconds = partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
"""Returns the seconds since the machine started, with those in which it slept where the system counts them."""


def system_clock() -> datetime:
    """Return this machine's time."""
    return datetime.now(UTC)


class RunClock:
    """Shows the time of a database's server, or of this machine if the database is a file.

    It runs on this machine's steady clock, so that a step of the machine's time changes nothing within a run. It never
    goes back: a step back of the server's time makes it stand still, and no duration is negative.
    """

    def __init__(self, read: Clock, *, steady: Callable[[], float] = steady_seconds) -> None:
        """Read the time for the first time.

        Args:
            read: reads the time that the clock shall show.
            steady: returns the seconds since any instant, and runs on while the machine sleeps.
        """
        self._read = read
        self._steady = steady
        self._latest = datetime.min.replace(tzinfo=UTC)
        self._read_again()

    def __call__(self) -> datetime:
        """Return the time."""
        now = datetime.fromtimestamp(self._ahead + self._steady(), UTC)
        self._latest = max(self._latest, now)
        return self._latest

    def renew(self) -> None:
        """Read the time again; raises what the database raises."""
        self._read_again()

    def _read_again(self) -> None:
        asked_at = self._steady()
        shown = self._read()
        self._ahead = shown.timestamp() - (asked_at + self._steady()) / 2


class FileClock(RunClock):
    """Shows this machine's time; a step of it during a run must not make the run ask twice."""

    def __init__(self) -> None:
        super().__init__(system_clock)

    def renew(self) -> None:
        """Keep the time that was read at the beginning."""


def clock_of(engine: Engine) -> RunClock:
    """Make the clock of runs on a database."""
    if engine_of(engine).is_file:
        return FileClock()

    def read() -> datetime:
        with engine.connect() as connection:
            shown: datetime = connection.execute(select(server_now(engine))).scalar_one()
            return shown

    return RunClock(read)


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

    @property
    def error_seconds(self) -> float:
        """The seconds by which ``latest`` exceeds ``earliest``; infinite before the first reading."""
        return self._max_ahead - self._min_ahead

    def earliest(self, shown: datetime) -> float:
        """Return the first instant of the monotonic clock at which the server's clock can show a time."""
        return shown.timestamp() - self._max_ahead

    def latest(self, shown: datetime) -> float:
        """Return the last instant of the monotonic clock at which the server's clock can reach a time."""
        return shown.timestamp() - self._min_ahead

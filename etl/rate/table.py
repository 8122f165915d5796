"""One rate for all runs on one pending table: a row beside it, from which each run leases stretches of time.

Time is dealt out, not tokens: in its stretch a run sends at its own even pace, and the stretches never overlap, so that
together they keep to ``max_rate`` as one run does, without a burst where they meet. A stretch that nobody uses passes
by itself: a run that died has nothing to give back. And one update lasts for a second of requests.

Why not a library: pyrate-limiter and limits count requests in windows, in Redis or in a table of timestamps; at the
start of a window they let a whole window's worth through at once, for which gateways throttle, and they need a round
trip for each request. The row costs one in a second, in a database that is there anyway.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Column, Connection, Double, Engine, Integer, MetaData, Table, Text, select, update

from etl.database.clock import ServerClock, server_now
from etl.database.types import UtcDateTime
from etl.rate.values import HEADROOM, RateLease, RateWish

FINDINGS_TTL = timedelta(minutes=1)
"""After so long without a request, what was found about the rate is no longer believed."""

SET_BACK = timedelta(seconds=10)
"""A grant that lies so far in the future was made before somebody set the server's clock back."""


def rate_table(pending: Table) -> Table:
    """Describe the table with the one row, beside the pending table."""
    return Table(
        f"{pending.name}_rate",
        MetaData(),
        Column("id", Integer, primary_key=True, autoincrement=False, comment="1: there is one row."),
        Column("granted_at", UtcDateTime, nullable=False, comment="When requests were last granted."),
        Column("next_at", UtcDateTime, nullable=False, comment="When the next request may leave."),
        Column("paused_until", UtcDateTime, nullable=False, comment="Until when all runs pause."),
        Column("holder", Text, comment="The run that asks first after a pause. Null: there is none."),
        Column("rate", Double, comment="Requests per second as of now. Null: as fast as allowed."),
        Column("ceiling", Double, comment="Requests per second that were too fast. Null: none were."),
        schema=pending.schema,
        comment="The rate that all runs on the pending table share.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RateRow:
    """How the shared rate stands."""

    granted_at: datetime
    next_at: datetime
    """Where the stretches that are granted end."""
    paused_until: datetime
    holder: str | None
    """The run that the last stretch was granted to."""
    rate: float | None
    """Requests per second that were found to be right, where that is less than is allowed."""
    ceiling: float | None
    """Requests per second that were found to be too many."""


def grant(row: RateRow, wish: RateWish, *, holder: str, now: datetime) -> tuple[RateRow, datetime, int]:
    """Deal out the next stretch. Pure.

    Returns:
        The row after it, the start of the stretch, which ends at the row's ``next_at``, and the requests that fit.
    """
    row = replace(_found(_set_right(row, now), wish), granted_at=now, holder=holder)
    steady = HEADROOM * min(row.rate or wish.max_rate, wish.max_rate)
    requests = max(1, int(wish.seconds * steady))
    starts_at = max(row.next_at, row.paused_until, now)
    return replace(row, next_at=starts_at + timedelta(seconds=requests / steady)), starts_at, requests


def _set_right(row: RateRow, now: datetime) -> RateRow:
    """Undo what time has made wrong: a clock that was set back, and findings of long ago."""
    if (back := row.granted_at - now) > SET_BACK:
        row = replace(row, next_at=row.next_at - back, paused_until=row.paused_until - back)
    if now - max(row.next_at, row.paused_until) > FINDINGS_TTL:
        row = replace(row, rate=None, ceiling=None)
    return row


def _found(row: RateRow, wish: RateWish) -> RateRow:
    """Put together what all runs know of the rate: each adds what it has climbed, and the slowest tells how slow."""
    if wish.climbed < 0:
        return replace(row, rate=min(wish.rate, row.rate or wish.rate), ceiling=wish.ceiling)
    if row.rate is None or row.rate + wish.climbed >= wish.max_rate:
        return replace(row, rate=None)
    return replace(row, rate=row.rate + wish.climbed)


class SharedRate:
    """The row, as one run sees it."""

    def __init__(
        self, engine: Engine, table: Table, *, holder: str, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Look at the row.

        Args:
            engine: of the pending database.
            table: the one with the row.
            holder: the ID of this run.
            monotonic: seconds of the clock that requests are timed by.
        """
        self._engine = engine
        self._table = table
        self._holder = holder
        self._monotonic = monotonic
        self._clock = ServerClock()
        self._now = server_now(engine)

    def lease(self, wish: RateWish) -> RateLease:
        """Take the next stretch of time.

        Raises:
            UnavailableError: the row cannot be reached, so nothing may be sent.
        """
        with self._engine.begin() as connection:
            row, now = self._locked(connection)
            after, starts_at, requests = grant(row, wish, holder=self._holder, now=now)
            self._write(connection, after)
        return RateLease(
            starts_at=self._clock.at(starts_at),
            ends_at=self._clock.at(after.next_at),
            requests=requests,
            rate=after.rate,
            ceiling=after.ceiling,
            paused_until=self._clock.at(after.paused_until),
            is_alone=row.holder in {None, self._holder},
        )

    def pause(self, seconds: float) -> None:
        """Let nobody send for so long, from now on.

        Raises:
            UnavailableError: the row cannot be reached.
        """
        with self._engine.begin() as connection:
            row, now = self._locked(connection)
            paused_until = max(row.paused_until, now + timedelta(seconds=seconds))
            self._write(connection, replace(row, paused_until=paused_until))

    def _locked(self, connection: Connection) -> tuple[RateRow, datetime]:
        """Read the row and the server's time, and let nobody else read the row until the transaction ends."""
        columns = [column for column in self._table.c if column.name != "id"]
        asked_at = self._monotonic()
        found = connection.execute(select(*columns, self._now).with_for_update()).one()
        self._clock.note(asked_at, found[-1], self._monotonic())
        return RateRow(**{column.name: value for column, value in zip(columns, found[:-1], strict=True)}), found[-1]

    def _write(self, connection: Connection, row: RateRow) -> None:
        connection.execute(update(self._table).values(**asdict(row)))

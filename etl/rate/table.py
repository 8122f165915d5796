"""One rate for all runs on one pending table: a row in a table beside it, from which each run leases periods of time.

The row grants time instead of tokens. In its period, a run sends evenly at its own rate, and periods never overlap.
Together the runs keep to ``max_rate`` as one run does, without a burst between two periods. An unused period passes by
itself, so a killed run has nothing to give back. One update of the row is enough for a second of requests.

Libraries do not fit: pyrate-limiter and limits count requests in windows, in Redis or in a table of timestamps. At the
start of a window they allow all its requests at once, for which gateways throttle, and each request needs a round trip.
The row needs one round trip a second, in a database that the job has already.
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
"""The time without a request after which the found rate and ceiling are forgotten."""

SET_BACK = timedelta(seconds=10)
"""A grant so far in the future was made before the server's clock was set back."""


def rate_table(pending: Table) -> Table:
    """Describe the table with the shared rate of a pending table."""
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
    """The state of the shared rate."""

    granted_at: datetime
    next_at: datetime
    """The end of the last granted period."""
    paused_until: datetime
    holder: str | None
    """The run with the last granted period."""
    rate: float | None
    """The requests per second that the runs have found; None means what the configuration allows."""
    ceiling: float | None
    """The requests per second that were too fast; None if none were."""


def grant(row: RateRow, wish: RateWish, *, holder: str, now: datetime) -> tuple[RateRow, datetime, int]:
    """Grant the next period. Pure.

    Returns:
        The row after the grant, the start of the period (its end is the row's ``next_at``), and the requests in it.
    """
    row = replace(_with_findings(_corrected(row, now), wish), granted_at=now, holder=holder)
    steady = HEADROOM * min(row.rate or wish.max_rate, wish.max_rate)
    requests = max(1, int(wish.seconds * steady))
    starts_at = max(row.next_at, row.paused_until, now)
    return replace(row, next_at=starts_at + timedelta(seconds=requests / steady)), starts_at, requests


def _corrected(row: RateRow, now: datetime) -> RateRow:
    """Correct a row after the clock was set back, and forget old findings."""
    if (back := row.granted_at - now) > SET_BACK:
        row = replace(row, next_at=row.next_at - back, paused_until=row.paused_until - back)
    if now - max(row.next_at, row.paused_until) > FINDINGS_TTL:
        row = replace(row, rate=None, ceiling=None)
    return row


def _with_findings(row: RateRow, wish: RateWish) -> RateRow:
    """Combine what the runs have found: each adds the increase of its rate, and the lowest decrease counts."""
    if wish.climbed < 0:
        return replace(row, rate=min(wish.rate, row.rate or wish.rate), ceiling=wish.ceiling)
    if row.rate is None or row.rate + wish.climbed >= wish.max_rate:
        return replace(row, rate=None)
    return replace(row, rate=row.rate + wish.climbed)


class SharedRate:
    """Leases periods of the shared rate for one run."""

    def __init__(
        self, engine: Engine, table: Table, *, holder: str, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Prepare to lease.

        Args:
            engine: the pending database.
            table: the table with the row.
            holder: the ID of this run.
            monotonic: returns the seconds of the clock that requests are timed by.
        """
        self._engine = engine
        self._table = table
        self._holder = holder
        self._monotonic = monotonic
        self._clock = ServerClock()
        self._now = server_now(engine)

    def lease(self, wish: RateWish) -> RateLease:
        """Lease the next period.

        Raises:
            UnavailableError: the row cannot be read, so the run may not send.
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
        """Let no run send for so many seconds from now on.

        Raises:
            UnavailableError: the row cannot be written.
        """
        with self._engine.begin() as connection:
            row, now = self._locked(connection)
            paused_until = max(row.paused_until, now + timedelta(seconds=seconds))
            self._write(connection, replace(row, paused_until=paused_until))

    def _locked(self, connection: Connection) -> tuple[RateRow, datetime]:
        """Read the row and the server's time, and lock the row until the transaction ends."""
        columns = [column for column in self._table.c if column.name != "id"]
        asked_at = self._monotonic()
        found = connection.execute(select(*columns, self._now).with_for_update()).one()
        self._clock.note(asked_at, found[-1], self._monotonic())
        return RateRow(**{column.name: value for column, value in zip(columns, found[:-1], strict=True)}), found[-1]

    def _write(self, connection: Connection, row: RateRow) -> None:
        connection.execute(update(self._table).values(**asdict(row)))

"""One rate for all runs on one pending table: a row in a table beside it, from which each run gets its share.

The row lists the shares that runs hold. A share is a part of the rate and a period, both by the database's clock. In
its period, a run sends evenly at its part of the rate, at the same time as the other runs. ``grants`` decides about
shares. One update of the row is enough for a second of requests.

Libraries do not fit: pyrate-limiter and limits count requests in windows, in Redis or in a table of timestamps. At the
start of a window they allow all its requests at once, for which gateways throttle, and each request needs a round trip.
The row needs one round trip a second, in a database that the job has already.

A run of an older version that has not ended when ``init`` adds the column ``shares`` sends alone in periods. It leases
them from ``next_at`` on. The row therefore keeps ``next_at`` at the end of the last share, and such a period counts as
a share of the whole rate.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

import msgspec
from sqlalchemy import Column, Connection, Double, Engine, Integer, MetaData, Table, Text, insert, select, update

from etl.database.clock import ServerClock, server_now, steady_seconds, system_clock
from etl.database.pauses import with_max_pause
from etl.database.types import UtcDateTime
from etl.error_codes import Code
from etl.errors import ConfigurationError
from etl.rate.grants import MAX_SHARE_SECONDS, OLDER_VERSION, HeldShare, next_share
from etl.rate.values import HEADROOM, FoundLimit, RateLease, RateWish

FINDING_TTL = timedelta(days=7)
"""The time without a request after which a found limit is forgotten: a weekly job still starts at it."""

NIGHT_GAP = timedelta(minutes=1)
"""The time without a request after which a found limit is only where the search starts again."""

SET_BACK = timedelta(seconds=10)
"""A grant so far in the future was made before the server's clock was set back."""

CLOCK_ERROR_SECONDS = 0.001
"""Times in the row that differ by less are equal: an engine may round to milliseconds."""

MAX_PAUSE_SECONDS = 2
"""The longest pause in a transaction on the row: one run that is frozen there would let no other send for longer."""

LONGEST_SHARES_SECONDS = 2 * MAX_SHARE_SECONDS
"""The time after which the shares of a row that cannot be read have ended."""


def rate_table(pending: Table) -> Table:
    """Describe the table with the shared rate of a pending table."""
    return Table(
        f"{pending.name}_rate",
        MetaData(),
        Column("id", Integer, primary_key=True, autoincrement=False, comment="1: there is one row."),
        Column("granted_at", UtcDateTime, nullable=False, comment="When a run last got a share of the rate."),
        Column("next_at", UtcDateTime, nullable=False, comment="When the last share ends that any run holds."),
        Column("paused_until", UtcDateTime, nullable=False, comment="Until when all runs pause."),
        Column("holder", Text, comment="The run that last got a share. Null: none did."),
        Column("rate", Double, comment="Requests per second as of now. Null: as fast as allowed."),
        Column("ceiling", Double, comment="Requests per second that were too fast. Null: none were."),
        Column("shares", Text, comment="The shares of the rate that runs hold, as JSON. Null: no run holds one."),
        Column("finding", Text, comment="What the runs have found out about the limit of the API, as JSON."),
        schema=pending.schema,
        comment="The rate that all runs on the pending table share.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RateRow:
    """The state of the shared rate."""

    granted_at: datetime
    next_at: datetime
    """The end of the last share, or of the last period of an older version."""
    paused_until: datetime
    holder: str | None
    """The run that last got a share."""
    rate: float | None
    """The requests per second that the runs have found; None means what the configuration allows."""
    ceiling: float | None
    """The requests per second that were too fast; None if none were."""
    shares: str | None
    """The ``HeldShare`` values as JSON."""
    finding: str | None
    """The ``FoundLimit`` as JSON; None if the API has refused no request."""


def restore_row(connection: Connection, table: Table) -> None:
    """Insert the row if another program has deleted it; the shares that runs hold by it end before the next one."""
    if connection.execute(select(table.c.id)).first() is None:
        now = system_clock()
        next_at = now + timedelta(seconds=LONGEST_SHARES_SECONDS)
        connection.execute(insert(table).values(id=1, granted_at=now, next_at=next_at, paused_until=now))


def grant(
    row: RateRow, wish: RateWish, *, holder: str, now: datetime, clock_error: float = 0.0
) -> tuple[RateRow, HeldShare]:
    """Grant the next share. Pure; returns the row after the grant, and the share.

    Args:
        row: the row before it.
        wish: what the run asks for.
        holder: the ID of the run.
        now: the time by the database's clock.
        clock_error: the seconds by which the run may take a share as shorter than it is.
    """
    row = replace(_with_finding(_corrected(row, now), wish), granted_at=now, holder=holder)
    held = [
        share
        for share in _held_shares(row)
        # A share that the run has not received was granted, but the answer of the COMMIT was lost.
        if share.ends_at > now.timestamp() and not (share.holder == holder and share.number > wish.number)
    ]
    share = next_share(
        held,
        holder=holder,
        number=wish.number + 1,
        wants=wish.part,
        rate=min(row.rate or wish.max_rate, wish.max_rate),
        earliest=max(now, row.paused_until).timestamp(),
        round_trip=wish.round_trip,
        clock_error=clock_error,
    )
    held.append(share)
    next_at = _instant(max(each.ends_at for each in held))
    return replace(row, next_at=next_at, shares=msgspec.json.encode(held).decode()), share


def _held_shares(row: RateRow) -> list[HeldShare]:
    """Read the shares, and a period that a run of an older version has leased."""
    granted_at, next_at = row.granted_at.timestamp(), row.next_at.timestamp()
    try:
        shares = msgspec.json.decode(row.shares or b"[]", type=list[HeldShare])
    except msgspec.DecodeError:
        shares, next_at = [], max(next_at, granted_at + LONGEST_SHARES_SECONDS)
    known_until = max((share.ends_at for share in shares), default=0.0)
    if next_at > known_until + CLOCK_ERROR_SECONDS:
        whole = {"part": 1.0, "wants": 1.0, "starts_at": known_until, "ends_at": next_at}
        shares.append(HeldShare(holder=OLDER_VERSION, number=0, **whole))
    return shares


def _corrected(row: RateRow, now: datetime) -> RateRow:
    """Correct a row after the clock was set back, and forget old findings.

    Runs hold their shares by clocks of their own, and go on. After a large step all times of the row are moved. A small
    one may be a grant that waited for the lock of the row, so each share counts from the earlier time to the later one.
    """
    if (back := row.granted_at - now) > timedelta(0):
        step = back if back > SET_BACK else timedelta(0)
        moved = [
            msgspec.structs.replace(
                share, starts_at=share.starts_at - back.total_seconds(), ends_at=share.ends_at - step.total_seconds()
            )
            for share in _held_shares(row)
        ]
        row = replace(
            row,
            next_at=row.next_at - step,
            paused_until=row.paused_until - step,
            shares=msgspec.json.encode(moved).decode(),
        )
    idle = now - max(row.next_at, row.paused_until)
    if idle > FINDING_TTL:
        row = replace(row, rate=None, ceiling=None, finding=None)
    elif idle > NIGHT_GAP and (found := found_limit(row)) is not None:
        found = found.for_next_night()
        row = replace(row, rate=found.rate / HEADROOM, finding=msgspec.json.encode(found).decode())
    return row


def _with_finding(row: RateRow, wish: RateWish) -> RateRow:
    """Keep what the run has found, if it knew what the row has: a later report about the same refusal is ignored."""
    known = found_limit(row)
    if wish.found is None or (known is not None and wish.found.serial <= known.serial):
        return row
    rate = wish.found.rate / HEADROOM
    return replace(
        row,
        rate=rate if rate < wish.max_rate else None,
        ceiling=wish.found.high,
        finding=msgspec.json.encode(wish.found).decode(),
    )


def found_limit(row: RateRow) -> FoundLimit | None:
    """Read what the runs know about the limit; None if that is nothing, or cannot be read."""
    try:
        return msgspec.json.decode(row.finding or b"null", type=FoundLimit | None)
    except msgspec.DecodeError:
        return None


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


class SharedRate:
    """Gets the shares of one run."""

    def __init__(
        self, engine: Engine, table: Table, *, holder: str, monotonic: Callable[[], float] = steady_seconds
    ) -> None:
        """Prepare to get shares.

        Args:
            engine: the pending database.
            table: the table with the row.
            holder: the ID of this run.
            monotonic: returns the seconds of the clock that shares are timed by.
        """
        self._engine = with_max_pause(engine, MAX_PAUSE_SECONDS)
        self._table = table
        self._holder = holder
        self._monotonic = monotonic
        self._clock = ServerClock()
        self._now = server_now(engine)

    def lease(self, wish: RateWish) -> RateLease:
        """Get the next share.

        Raises:
            ConfigurationError: there is no row.
            UnavailableError: the row cannot be read, so the run may not send.
        """
        with self._engine.begin() as connection:
            row, now = self._locked(connection)
            after, share = grant(row, wish, holder=self._holder, now=now, clock_error=self._clock.error_seconds)
            self._write(connection, after)
        return self._as_lease(share, after)

    def pause(self, seconds: float) -> None:
        """Let no run send for so many seconds from now on.

        Raises:
            ConfigurationError: there is no row.
            UnavailableError: the row cannot be written.
        """
        with self._engine.begin() as connection:
            row, now = self._locked(connection)
            paused_until = max(row.paused_until, now + timedelta(seconds=seconds))
            self._write(connection, replace(row, paused_until=paused_until))

    def _as_lease(self, share: HeldShare, row: RateRow) -> RateLease:
        """Convert a share to this process's clock: it starts when it has surely started, and ends before it can end."""
        others = [each for each in _held_shares(row) if each.holder != self._holder]
        own_ends = [each.ends_at for each in _held_shares(row) if each.holder == self._holder and each != share]
        return RateLease(
            number=share.number,
            part=share.part,
            starts_at=self._clock.latest(_instant(share.starts_at)),
            ends_at=self._clock.earliest(_instant(share.ends_at)),
            follows_on=share.starts_at in own_ends,
            found=found_limit(row),
            paused_until=self._clock.latest(row.paused_until),
            is_alone=not others,
        )

    def _locked(self, connection: Connection) -> tuple[RateRow, datetime]:
        """Read the row and the server's time, and lock the row until the transaction ends."""
        columns = [column for column in self._table.c if column.name in RateRow.__dataclass_fields__]
        asked_at = self._monotonic()
        found = connection.execute(select(*columns, self._now).with_for_update()).one_or_none()
        if found is None:
            raise ConfigurationError(
                f"The table {self._table.fullname} has no row, by which runs share the rate.",
                code=Code.SCHEMA_OUTDATED,
                remedy="Run `task-audit init`.",
            )
        self._clock.note(asked_at, found[-1], self._monotonic())
        return RateRow(**{column.name: value for column, value in zip(columns, found[:-1], strict=True)}), found[-1]

    def _write(self, connection: Connection, row: RateRow) -> None:
        connection.execute(update(self._table).values(**asdict(row)))

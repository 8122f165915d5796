"""Decides which share of the rate a run gets next, and from when until when. Pure.

Every share has an end, and the parts of all shares add up to 1 at most at any moment. A share that a dead, frozen or
idle run does not renew is free again at its end. A share grows only where others have shrunk or ended. A run asks for
its next share before the last one ends, so that its shares follow on each other.

Runs divide the rate by max-min fairness: a run that can use only a little gets that, and the others divide the rest.

A request takes a slot of one interval. A run sends only if the slot ends within its share, so that the first request
of the next share comes no sooner than one interval later, at any rate.

Each run spreads its requests evenly, but independently of the others. In the worst case, all of them send one request
at the same time. A share is therefore at least ``MIN_SHARE_RATE``. If there are more runs than such shares, they take
turns.
"""

from collections.abc import Iterable, Sequence
from operator import attrgetter

import msgspec

from etl.rate.values import HEADROOM

ALONE_SECONDS = 1.0
"""The duration of the share of a run that is alone: one transaction a second, and a short wait for a second run."""

SHARED_SECONDS = 0.5
"""The duration of the share of one of several runs: all of them learn of a pause or of a limit within a second."""

ROUND_TRIPS = 4
"""A share lasts at least so many round trips to the database; otherwise it would end before a starved run has it."""

MAX_SHARE_SECONDS = 5.0
"""The duration of a share, at most, however slow the database is, unless it is for one request."""

FIRST_SECONDS = 0.25
"""The duration of the first share of a run: runs that start together do not wait for each other for a second."""

TURN_SECONDS = 0.25
"""The duration of a share if runs take turns: short, so that each run has its turn within a second or two."""

MIN_SHARE_RATE = 40.0
"""The requests per second of a share, at least: the one request by which a run may be early is 2.5 % of them."""

LATE_SECONDS = 0.005
"""The lateness of a timer that loses no request at the start of a turn."""

OLDER_VERSION = "an older version"
"""The holder of a period that a run of an older version has leased, in which it sends alone."""

TOLERANCE = 1e-9
"""The error of a sum of parts."""


class HeldShare(msgspec.Struct, frozen=True, kw_only=True):
    """A share of the rate that a run holds; the instants are seconds since 1970 by the database's clock."""

    holder: str
    number: int
    part: float
    wants: float
    """The part that the run could use."""
    starts_at: float
    ends_at: float


def next_share(
    held: Sequence[HeldShare],
    *,
    holder: str,
    number: int,
    wants: float,
    rate: float,
    earliest: float,
    round_trip: float = 0.0,
    clock_error: float = 0.0,
) -> HeldShare:
    """Return the next share of a run.

    Args:
        held: the shares that have not ended, among them those of this run.
        holder: the ID of this run.
        number: the number of the share.
        wants: the part of the rate that the run could use, from 0 to 1.
        rate: the requests per second of all runs together.
        earliest: the time before which it may not start, in seconds since 1970.
        round_trip: the seconds that the run waits for the answer to a request for a share.
        clock_error: the seconds by which the run may take a share as shorter than it is.
    """
    others = [share for share in held if share.holder != holder]
    own_ends = [share.ends_at for share in held if share.holder == holder]
    places = max(1, int(rate / MIN_SHARE_RATE))
    demands = [max(demand, 1 / places) for demand in _demands(others)]
    steady = HEADROOM * rate
    usual = _usual_seconds(number, runs=len(demands) + 1, places=places)
    seconds = max(usual, min(MAX_SHARE_SECONDS, ROUND_TRIPS * round_trip), places / steady)
    reserve = min(clock_error, MAX_SHARE_SECONDS) + (LATE_SECONDS if demands else 0.0)
    starts_at, free = _first_gap(others, max([earliest, *own_ends]), seconds=seconds + reserve, part=1 / places)
    part = min(free, max(1 / places, fair_part(wants, demands)))
    requests = max(1, int(seconds * part * steady + TOLERANCE))
    # A share that follows on the run's last one needs no reserve, since the run goes on without a break.
    ends_at = starts_at + requests / (part * steady) + (0.0 if starts_at in own_ends else reserve)
    return HeldShare(holder=holder, number=number, part=part, wants=wants, starts_at=starts_at, ends_at=ends_at)


def _usual_seconds(number: int, *, runs: int, places: int) -> float:
    """Return the duration of a share if the database is quick."""
    if runs > places:
        return TURN_SECONDS
    if number == 1:
        return FIRST_SECONDS
    return SHARED_SECONDS if runs > 1 else ALONE_SECONDS


def fair_part(wants: float, others: Sequence[float]) -> float:
    """Return the part of the rate of a run by max-min fairness; what no run wants is divided equally.

    Args:
        wants: the part that the run could use, from 0 to 1.
        others: the same for the other runs.
    """
    free, left = 1.0, len(others) + 1
    for demand in sorted([wants, *others]):
        if demand * left > free:
            return min(wants, free / left)
        free, left = free - demand, left - 1
    return wants + free / (len(others) + 1)


def _demands(shares: Iterable[HeldShare]) -> Iterable[float]:
    """Return what each holder wants by its latest share."""
    latest = {share.holder: share.wants for share in sorted(shares, key=attrgetter("ends_at"))}
    return latest.values()


def _first_gap(shares: Sequence[HeldShare], earliest: float, *, seconds: float, part: float) -> tuple[float, float]:
    """Return the first time from which on a part is free for some seconds, and the part that is free then."""
    ends = sorted(share.ends_at for share in shares if share.ends_at > earliest)
    gaps = ((at, _free(shares, at, at + seconds)) for at in [earliest, *ends])
    return next((at, free) for at, free in gaps if free >= part - TOLERANCE)


def _free(shares: Sequence[HeldShare], begin: float, end: float) -> float:
    """Return the part of the rate that is free in a whole period."""
    moments = [begin, *(share.starts_at for share in shares if begin < share.starts_at < end)]
    return 1.0 - max(sum(share.part for share in shares if share.starts_at <= at < share.ends_at) for at in moments)

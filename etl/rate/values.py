"""The values that runs with one shared rate exchange. All instants here are of a monotonic clock."""

from dataclasses import dataclass

HEADROOM = 0.976
"""The part of a rate that is used. Requests that leave evenly still arrive in bunches. The unused part allows 25 ms of
stall in any second: enough at 200 requests per second beside a busy process, as measured, while 0.98 was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateWish:
    """The request for a lease, with what the run has learnt about the rate since its last one."""

    seconds: float
    """The duration of the lease."""
    max_rate: float
    """The requests per second that the configuration allows."""
    rate: float
    """The current requests per second."""
    climbed: float
    """The requests per second that were added to the rate; negative if the API found it too fast."""
    ceiling: float | None
    """The requests per second that were too fast; None if none were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLease:
    """A period in which one run may send, and no other."""

    starts_at: float
    ends_at: float
    requests: int
    rate: float | None
    """The requests per second that all runs together have found; None means what the configuration allows."""
    ceiling: float | None
    paused_until: float
    """The end of a pause of all runs."""
    is_alone: bool
    """Whether no other run has taken a lease since the last one of this run."""

"""What runs that share one rate tell each other about it. Values only; all instants here are of a monotonic clock."""

from dataclasses import dataclass

HEADROOM = 0.976
"""The share of a rate that is used. Requests that leave evenly still arrive bunched: this leaves room for 25 ms of
stall in any second, measured as enough at 200 a second with a busy neighbour, where 0.98 was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateWish:
    """What a run asks for, and what it has learnt of the rate since it asked last."""

    seconds: float
    """How long it would send."""
    max_rate: float
    """Requests per second, at most, by its configuration."""
    rate: float
    """Requests per second at the moment."""
    climbed: float
    """Requests per second that were added to the rate; negative where the API found it too fast."""
    ceiling: float | None
    """Requests per second that were found to be too many, if any were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLease:
    """A stretch of time in which one run may send, and nobody else."""

    starts_at: float
    ends_at: float
    requests: int
    rate: float | None
    """Requests per second that all runs together have found to be right; None is what the configuration allows."""
    ceiling: float | None
    paused_until: float
    """Nobody sends before."""
    is_alone: bool
    """Whether nobody else has asked since the lease before."""

"""The values that runs with one shared rate exchange. All instants here are of a monotonic clock."""

from dataclasses import dataclass

HEADROOM = 0.993
"""The part of a rate that is used. With requests that catch up, a run sends no more than the rate in any second. They
may still arrive in bunches after a stall of the network, and an API that then refuses one shows the rate that it takes.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateWish:
    """The request for the next share, with what the run has learnt about the rate since its last one."""

    number: int
    """The number of the last share that the run has received; 0 if it has received none."""
    round_trip: float = 0.0
    """The seconds from a request for a share to its answer, as the run has measured them."""
    part: float
    """The part of the rate that the run can use: 1 if it could use more than it has."""
    max_rate: float
    """The requests per second that the configuration allows."""
    rate: float
    """The current requests per second of all runs."""
    climbed: float
    """The requests per second that were added to the rate; negative if the API found it too fast."""
    ceiling: float | None
    """The requests per second that were too fast; None if none were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLease:
    """A share of the rate that one run holds for some time, while other runs hold the rest."""

    number: int
    """The first share of a run has the number 1, the next one 2."""
    part: float
    """The part of the rate, above 0 and at most 1. The parts of all runs at one moment add up to 1 at most."""
    starts_at: float
    ends_at: float
    requests: int
    follows_on: bool
    """Whether it starts where the run's last share ends."""
    rate: float | None
    """The requests per second that all runs together have found; None means what the configuration allows."""
    ceiling: float | None
    paused_until: float
    """The end of a pause of all runs."""
    is_alone: bool
    """Whether no other run holds a share."""

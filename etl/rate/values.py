"""The values that runs with one shared rate exchange. All instants here are of a monotonic clock."""

from dataclasses import dataclass

import msgspec

FALLEN = 1 / 3
"""The part of what the API has shown to admit below which a rate has fallen: by refusals that hardly tell a limit."""

HEADROOM = 0.992
"""The part of a rate that is used: as many requests as the rate allows in a second are sent in 1 / HEADROOM seconds.
They may still arrive in bunches after a stall of the network."""


class FoundLimit(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about the limit. Other runs adopt it, and the next night starts from it."""

    rate: float
    """The current requests per second."""
    low: float
    """The requests per second that the API has admitted for long enough."""
    high: float | None
    """The requests per second that the API has refused, until a probe disproves it; None if it has, or none were."""
    burst: tuple[float, float] | None = None
    """The requests and the seconds from a pause to the first refusal, for the shortest such stretch."""
    max_in_flight: int | None = None
    """The requests in flight that the API admits; None if it does not limit them."""
    shown: float = 0.0
    """The most requests per second that the API has admitted for long enough. It falls where probes gain nothing."""
    serial: int = 0
    """The number of changes; what has the higher one is newer."""

    @property
    def is_fallen(self) -> bool:
        """Whether the rate is far below what the API has shown to admit."""
        return self.rate < FALLEN * self.shown

    @property
    def is_probing(self) -> bool:
        """Whether the rate is higher than one that was refused."""
        return self.rate > (self.high or 0.0)

    def for_next_night(self) -> "FoundLimit":
        """Return where a later run starts: at a rate that was sustained."""
        rate = min(self.rate, self.low) if self.low else self.rate
        return msgspec.structs.replace(self, rate=rate, low=rate, high=1.02 * rate, serial=self.serial + 1)


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
    found: FoundLimit | None
    """What this run knows about the limit of the API; None if the API has refused no request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLease:
    """A share of the rate that one run holds for some time, while other runs hold the rest."""

    number: int
    """The first share of a run has the number 1, the next one 2."""
    part: float
    """The part of the rate, above 0 and at most 1. The parts of all runs at one moment add up to 1 at most."""
    starts_at: float
    ends_at: float
    follows_on: bool
    """Whether it starts where the run's last share ends."""
    found: FoundLimit | None
    """What all runs know about the limit of the API; None if the API has refused no request."""
    paused_until: float
    """The end of a pause of all runs."""
    is_alone: bool
    """Whether no other run holds a share."""


class Permit(msgspec.Struct, frozen=True):
    """An admitted request."""

    number: float
    """The requests of all runs until this one, counted from this run's part of them."""
    sent_at: float
    """Seconds of a monotonic clock."""
    in_flight: int
    """The requests of all runs that have no answer yet, with this one, counted from this run's part of them."""
    is_probe: bool
    """Whether the outcome opens or closes the gate."""
    part: float = 1.0
    """This run's part of the rate."""

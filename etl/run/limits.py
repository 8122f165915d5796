"""The bounds of a run."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The sizes of batches and claims, and the duration of leases."""

    batch_size: int
    """The tasks in one load, at most."""
    claim_size: int
    """The tasks in one claim, at most."""
    lease_seconds: float
    dead_letter_after: int
    """The runs in which a task may fail before it becomes a dead letter."""
    recheck_after: timedelta = timedelta()
    """The time until an open task is due again, before it grows."""
    tasks: int | None = None
    """The tasks that this run may claim, at most. None: all."""

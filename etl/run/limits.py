"""The bounds of a run."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much at a time, and how often."""

    batch_size: int
    """Tasks in one load, at most."""
    claim_size: int
    """Tasks in one claim, at most."""
    lease_seconds: float
    dead_letter_after: int
    """Runs that may fail a task."""
    tasks: int | None = None
    """Tasks to claim in this run, at most."""

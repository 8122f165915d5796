"""The value behind one bar of a chart of runs; it needs no extra, unlike the charts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A measure of one run."""

    started: str
    """The start of the run as text, which also orders the bars."""
    value: float
    is_reported: bool
    """Whether the report is about this run; the other runs are paler."""

"""What took how long in a run: a few spans per batch, kept in memory until the run has ended. Knows no exporter."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

MAX_SPANS = 2_000
"""Enough for a million tasks; of a longer run the rest is counted."""

Attributes = dict[str, int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One thing that a run did."""

    name: str
    started_ns: int
    """Nanoseconds since 1970, as is the end."""
    ended_ns: int
    attributes: Attributes = field(default_factory=dict)
    """``tasks`` is how many it was about, ``error`` what went wrong."""


class Trace:
    """The spans of one run."""

    def __init__(self, clock: Callable[[], int] = time.time_ns) -> None:
        self._clock = clock
        self.spans: list[Span] = []
        self.dropped = 0
        """Spans that were too many to keep."""

    def now(self) -> int:
        """Tell the time, in nanoseconds since 1970."""
        return self._clock()

    def note(self, name: str, started_ns: int, attributes: Attributes) -> None:
        """Keep a span that ends now."""
        if len(self.spans) >= MAX_SPANS:
            self.dropped += 1
            return
        self.spans.append(Span(name=name, started_ns=started_ns, ended_ns=self.now(), attributes=attributes))

    @contextmanager
    def span(self, name: str, **attributes: int | str) -> Iterator[Attributes]:
        """Keep what is done within as a span; more attributes may be given to it meanwhile."""
        started_ns = self.now()
        try:
            yield attributes
        finally:
            self.note(name, started_ns, attributes)

"""How long each step of a run took: a few spans a batch, kept in memory until the run ends. It knows no exporter."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

MAX_SPANS = 2_000
"""This many spans are enough for a million tasks. The later spans of a longer run are only counted."""

Attributes = dict[str, int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One step of a run."""

    name: str
    started_ns: int
    """Nanoseconds since 1970, like ``ended_ns``."""
    ended_ns: int
    attributes: Attributes = field(default_factory=dict)
    """``tasks`` is the number of tasks in the step, ``error`` the message if it failed."""


class Trace:
    """The spans of one run."""

    def __init__(self, clock: Callable[[], int] = time.time_ns) -> None:
        self._clock = clock
        self.spans: list[Span] = []
        self.dropped = 0
        """Spans that were counted only."""

    def now(self) -> int:
        """Return the time, in nanoseconds since 1970."""
        return self._clock()

    def note(self, name: str, started_ns: int, attributes: Attributes) -> None:
        """Record a span that ends now."""
        if len(self.spans) >= MAX_SPANS:
            self.dropped += 1
            return
        self.spans.append(Span(name=name, started_ns=started_ns, ended_ns=self.now(), attributes=attributes))

    @contextmanager
    def span(self, name: str, **attributes: int | str) -> Iterator[Attributes]:
        """Record the body of a with statement as a span; the body may add attributes."""
        started_ns = self.now()
        try:
            yield attributes
        finally:
            self.note(name, started_ns, attributes)

"""Counts what the stand-in receives and sends; the counts decide nothing."""

from array import array
from collections import Counter
from collections.abc import Sequence


class Stats:
    """Counts since the start or the last reset, without requests to the stand-in's own pages."""

    def __init__(self) -> None:
        self.arrivals = array("d")
        """The arrival of each request, in monotonic seconds."""
        self.by_status: Counter[int] = Counter()
        """Responses by HTTP status; 0 counts connections that ended before a status line, or by the client."""
        self.asks: Counter[str] = Counter()
        """Requests for each task's detail, including rejected ones."""
        self.trace_ids: set[str] = set()
        self.rejected: Counter[str] = Counter()
        """Rejected requests by reason."""
        self.faults: Counter[str] = Counter()
        """Faults shown, by name."""
        self.refreshes = 0
        """Renewals of the token."""

    def reset(self) -> None:
        """Count from zero again."""
        self.__init__()  # type: ignore[misc]  # the class has no subclass

    @property
    def requests(self) -> int:
        """The number of requests."""
        return len(self.arrivals)

    @property
    def throttled(self) -> int:
        """The number of 429s, because of the rate and of faults."""
        return self.by_status[429]

    def peak_per_second(self) -> int:
        """Return the largest number of requests in any one second."""
        return peak_per_second(self.arrivals)

    def summary(self) -> dict[str, object]:
        """Return the counts as one JSON object."""
        return {
            "requests": self.requests,
            "by_status": {str(status): number for status, number in sorted(self.by_status.items())},
            "tasks_asked": len(self.asks),
            "most_asks_of_a_task": max(self.asks.values(), default=0),
            "trace_ids": len(self.trace_ids),
            "throttled": self.throttled,
            "rejected": dict(self.rejected),
            "faults": dict(self.faults),
            "refreshes": self.refreshes,
            "peak_per_second": self.peak_per_second(),
        }


def peak_per_second(moments: Sequence[float]) -> int:
    """Return the largest number of ascending moments in any second; moments one second apart do not share a second."""
    peak = first = 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - 1.0:
            first += 1
        peak = max(peak, last - first + 1)
    return peak

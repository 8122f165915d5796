"""What the stand-in has seen. Counting only; nothing here decides an answer."""

from array import array
from collections import Counter
from collections.abc import Sequence


class Stats:
    """Counts since the start or the last reset. Requests to the stand-in's own pages are not counted."""

    def __init__(self) -> None:
        self.arrivals = array("d")
        """When each request arrived, in monotonic seconds."""
        self.by_status: Counter[int] = Counter()
        """Answers by HTTP status; 0 is a connection that was ended before its status line, or by the client."""
        self.asks: Counter[str] = Counter()
        """Requests for each task's detail, refused ones included."""
        self.trace_ids: set[str] = set()
        self.rejected: Counter[str] = Counter()
        """Requests refused at the gate, by reason."""
        self.faults: Counter[str] = Counter()
        """Faults shown, by name."""
        self.refreshes = 0
        """How often the token was renewed."""

    def reset(self) -> None:
        """Count from zero again."""
        self.__init__()  # type: ignore[misc]  # nothing inherits from it

    @property
    def requests(self) -> int:
        """How many requests arrived."""
        return len(self.arrivals)

    @property
    def throttled(self) -> int:
        """How many 429s were given, by the rate and by faults."""
        return self.by_status[429]

    def peak_per_second(self) -> int:
        """The largest number of arrivals in any one second."""
        return peak_per_second(self.arrivals)

    def summary(self) -> dict[str, object]:
        """The counts as one JSON object."""
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
    """Count the most moments, ascending, in any window of one second; two that are a second apart share none."""
    peak = first = 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - 1.0:
            first += 1
        peak = max(peak, last - first + 1)
    return peak

"""Decides when the stand-in is down, in seconds after its first request. Pure: the caller passes the time."""

from collections.abc import Sequence


class Outages:
    """Planned outages, and flapping without end."""

    def __init__(self, outages: Sequence[tuple[float, float]], flap: tuple[float, float] | None) -> None:
        self._outages = outages
        self._flap = flap
        self._first_at: float | None = None

    def are_on(self, now: float) -> bool:
        """Return whether the stand-in is down at ``now``, in monotonic seconds; the first call sets second zero."""
        if self._first_at is None:
            self._first_at = now
        elapsed = now - self._first_at
        return self._is_flapped_down(elapsed) or any(start <= elapsed < end for start, end in self._outages)

    def _is_flapped_down(self, elapsed: float) -> bool:
        if self._flap is None:
            return False
        up_seconds, down_seconds = self._flap
        return elapsed % (up_seconds + down_seconds) >= up_seconds

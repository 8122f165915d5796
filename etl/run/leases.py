"""The tasks that a run has claimed and not yet accounted for, and which of them it has lost. Pure."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from etl.tasks import PendingTask


class Leases:
    """What a run holds."""

    def __init__(self, *, seconds: float, clock: Callable[[], datetime]) -> None:
        """Hold nothing yet.

        Args:
            seconds: how long a lease holds without being renewed.
            clock: tells the time, aware and in UTC.
        """
        self._seconds = seconds
        self._clock = clock
        self._renewed_at = clock()
        self._held: dict[str, PendingTask] = {}
        self._loading: frozenset[str] = frozenset()
        self.lost = 0
        """Tasks that another run has taken over."""

    @property
    def held(self) -> list[PendingTask]:
        """The tasks that are held, as far as is known."""
        return list(self._held.values())

    @property
    def may_have_ended(self) -> bool:
        """Whether nothing was renewed for as long as a lease holds: the machine was suspended, or the pod frozen."""
        return (self._clock() - self._renewed_at).total_seconds() >= self._seconds

    def holds(self, task: PendingTask) -> bool:
        """Say whether a task is held, as far as is known."""
        return task.task_id in self._held

    def take(self, tasks: Iterable[PendingTask]) -> None:
        """Hold tasks that were just claimed."""
        self._held.update({task.task_id: task for task in tasks})

    def drop(self, tasks: Iterable[PendingTask]) -> None:
        """Hold tasks no longer, since they are accounted for."""
        for task in tasks:
            self._held.pop(task.task_id, None)

    @contextmanager
    def loading(self, tasks: Iterable[PendingTask]) -> Iterator[None]:
        """Mark tasks that are being loaded: settled at any moment, they are no longer leased, and yet not lost."""
        self._loading = frozenset(task.task_id for task in tasks)
        try:
            yield
        finally:
            self._loading = frozenset()

    def note_renewal(self, asked_at: datetime, lost: set[str]) -> int:
        """Take in that all leases were renewed but those of lost tasks; returns how many are news."""
        self._renewed_at = asked_at
        gone = (lost & self._held.keys()) - self._loading
        for task_id in gone:
            del self._held[task_id]
        self.lost += len(gone)
        return len(gone)

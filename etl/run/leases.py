"""The tasks that a run holds: claimed, not yet accounted for, and not lost to another run. Pure."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from etl.database.clock import Clock
from etl.tasks import PendingTask


class Leases:
    """Keeps account of the tasks that a run holds."""

    def __init__(self, *, seconds: float, clock: Clock) -> None:
        """Start without a task.

        Args:
            seconds: the duration of a lease.
            clock: returns the time, aware and in UTC.
        """
        self._seconds = seconds
        self._clock = clock
        self._renewed_at = clock()
        self._held: dict[str, PendingTask] = {}
        self._loading: frozenset[str] = frozenset()
        self._replaced: list[PendingTask] = []
        """Claims that are being loaded, and that a later claim of the same task has replaced meanwhile."""
        self.lost = 0
        """The tasks that another run has taken over."""

    @property
    def held(self) -> list[PendingTask]:
        """The tasks that this run holds, as of the last renewal."""
        return list(self._held.values())

    @property
    def may_have_ended(self) -> bool:
        """Whether the last renewal is older than a lease: the machine was suspended, or the pod frozen."""
        return (self._clock() - self._renewed_at).total_seconds() >= self._seconds

    def holds(self, task: PendingTask) -> bool:
        """Return whether this run holds a task, as of the last renewal."""
        held = self._held.get(task.task_id)
        return held is not None and held.fence == task.fence

    def take(self, tasks: Collection[PendingTask]) -> None:
        """Add tasks that were just claimed.

        If this run still holds an earlier claim of a task, another run has taken that over and has let it go since. A
        load that is under way may still account for the earlier claim: in another database, it asks for no lease.
        """
        replaced = [self._held[task.task_id] for task in tasks if task.task_id in self._held]
        self._replaced += [task for task in replaced if task.task_id in self._loading]
        self.lost += sum(task.task_id not in self._loading for task in replaced)
        self._held.update({task.task_id: task for task in tasks})

    def drop(self, tasks: Collection[PendingTask]) -> None:
        """Remove tasks that are accounted for."""
        self._replaced = [task for task in self._replaced if task not in tasks]
        for task in filter(self.holds, tasks):
            del self._held[task.task_id]

    @contextmanager
    def loading(self, tasks: Iterable[PendingTask]) -> Iterator[None]:
        """Mark tasks that are being loaded: when the load settles them, they lose their lease and are not lost."""
        self._loading = frozenset(task.task_id for task in tasks)
        try:
            yield
        finally:
            self.lost += len(self._replaced)
            self._loading, self._replaced = frozenset(), []

    def note_renewal(self, asked_at: datetime, lost: Iterable[PendingTask]) -> int:
        """Note that all leases but those of lost tasks were renewed; returns how many of these were still held."""
        self._renewed_at = asked_at
        gone = [task for task in lost if self.holds(task) and task.task_id not in self._loading]
        self.drop(gone)
        self.lost += len(gone)
        return len(gone)

"""The tasks to probe with: one that was answered before, or some from other places of the queue.

The tasks at the beginning of the queue may be there to fail: the program that adds them chooses their IDs and times.
A request about another task shows whether KooDrive answers at all.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from etl.tasks import PendingTask

FindTasks = Callable[[], Awaitable[Sequence[PendingTask]]]
"""Finds tasks to probe with, the most promising first."""

MAX_TASKS = 8


class Probes:
    """Chooses the task of the next probe."""

    def __init__(self, find: FindTasks | None = None) -> None:
        """Start without a task.

        Args:
            find: finds tasks; called once, when there is no task that this run got an answer about.
        """
        self._find = find
        self._answered: PendingTask | None = None
        self._others: deque[PendingTask] = deque(maxlen=MAX_TASKS)
        self._doubtful: deque[str] = deque(maxlen=MAX_TASKS)
        """The tasks about which another server may have responded, most recently."""

    async def task(self) -> PendingTask | None:
        """Return the task that was answered last, or else the next of the others; None if there are none.

        A doubtful task comes after all others, since only another one shows what its response means.
        """
        if self._answered is not None:
            return self._answered
        await self.look()
        return min(self._others, key=lambda task: task.task_id in self._doubtful, default=None)

    async def look(self) -> bool:
        """Find tasks if one is needed and that was not done before; returns whether it took that time."""
        if self._answered is not None or self._find is None:
            return False
        find, self._find = self._find, None
        self._others.extendleft(reversed(await find()))
        return True

    def note_answer(self, task: PendingTask) -> None:
        """Choose this task from now on."""
        self._answered = task
        if task.task_id in self._doubtful:
            self._doubtful.remove(task.task_id)

    def note_doubt(self, task: PendingTask) -> None:
        """Choose other tasks than this one, if there are any."""
        if task.task_id not in self._doubtful:
            self._doubtful.append(task.task_id)

    def note_failure(self, task: PendingTask) -> None:
        """Choose another task next time: the answer about this one may be lost for good."""
        if task is self._answered:
            self._answered = None
        elif task in self._others:
            self._others.remove(task)
        self._others.append(task)

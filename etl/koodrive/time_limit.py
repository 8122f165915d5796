"""The time limit of all requests in flight, kept by one timer.

aiohttp makes and cancels a timer for each request, and enters it for each read. Without these, a request takes 5 %
fewer instructions (1,500 requests to the cheap API of tests/bench).
"""

import asyncio
from types import TracebackType


class TimeLimit:
    """Ends what takes too long, as ``asyncio.timeout`` does, in many tasks at once."""

    def __init__(self, seconds: float) -> None:
        """Set the time that a task may spend within the block, in seconds."""
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._entered: dict[asyncio.Task[object], tuple[float, int]] = {}
        """When each task entered, the earliest first, and how many requests to cancel it had then."""
        self._overdue: set[asyncio.Task[object]] = set()
        """The tasks that were cancelled since their time was over."""
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        """Start the time of the current task."""
        # Without the loop, CPython 3.11 asks the system for the ID of the process each time.
        task = asyncio.current_task(self._loop)
        assert task is not None  # noqa: S101 - for the type checker
        self._entered[task] = self._loop.time(), task.cancelling()
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._cancel_overdue)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """Stop the time of the current task.

        Raises:
            TimeoutError: the time was over, and nothing else has cancelled the task.
        """
        task = asyncio.current_task(self._loop)
        assert task is not None  # noqa: S101 - as above
        _, cancelling = self._entered.pop(task)
        if task in self._overdue:
            self._overdue.remove(task)
            if task.uncancel() <= cancelling and kind is asyncio.CancelledError:
                raise TimeoutError from error

    def _cancel_overdue(self) -> None:
        self._timer = None
        now = self._loop.time()
        for task, (entered_at, _) in self._entered.items():
            if (left := entered_at + self._seconds - now) > 0:
                self._timer = self._loop.call_later(left, self._cancel_overdue)
                return
            if task not in self._overdue:
                self._overdue.add(task)
                task.cancel()

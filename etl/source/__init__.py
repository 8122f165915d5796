"""Where pending task IDs come from: the job's own queue with leases, or the user's own table, never written to.

A source hands out tasks and records their outcomes. It knows nothing of HTTP or of facts.
"""

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import Connection

from etl.tasks import PendingTask, Settlement, WaitingTasks


class Source(Protocol):
    """The operations that a run needs from a source."""

    def claim(self, limit: int, *, in_turns: bool = False) -> list[PendingTask]:
        """Take up to ``limit`` due tasks, the oldest first.

        Args:
            limit: the number of tasks, at most.
            in_turns: whether to take them from several parts of the due tasks in turns, such as the newest ones,
                because KooDrive refuses most of the oldest.

        Returns:
            The tasks; an empty list means that there are no more in this run.
        """
        ...

    def claim_suspect(self) -> list[PendingTask]:
        """Take one task that may have killed the runs that held it, if there is one; a run asks about it alone."""
        ...

    def count(self) -> int | None:
        """Count the due tasks that no run holds; None if that would cost too much."""
        ...

    def sample(self) -> list[PendingTask]:
        """Read a few due tasks, without a claim, from other places of the order than its beginning."""
        ...

    def can_claim(self) -> bool:
        """Return whether the database lets this run claim a task that it counts as due; waits for a locked row."""
        ...

    def count_held(self) -> int:
        """Count the due tasks that are leased to this run; after its end there are none."""
        ...

    def count_others(self) -> int:
        """Count the due tasks that this run does not hold: those of other runs, and those that were just released."""
        ...

    def count_waiting(self) -> WaitingTasks | None:
        """Count the open tasks that are not due yet; None if no task waits with this source."""
        ...

    def renew(self, held: Sequence[PendingTask]) -> set[str]:
        """Prolong the leases of tasks that this run holds, and return the IDs of those that it has lost."""
        ...

    def settle(self, settlements: Sequence[Settlement], *, within: Connection | None = None) -> None:
        """Record the outcomes of tasks, in the caller's transaction or in one of its own.

        Raises:
            LeaseLostError: this run does not hold all of them any more. The caller must roll its transaction back.
        """
        ...

    def release(self, held: Sequence[PendingTask]) -> None:
        """Release tasks as if they had not been claimed."""
        ...

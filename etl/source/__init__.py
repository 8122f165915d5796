"""Where pending task IDs come from: the job's own queue with leases, or the user's own table, never written to.

A source hands out tasks and is told what became of them. It knows nothing of HTTP or of facts.
"""

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import Connection

from etl.tasks import PendingTask, Settlement


class Source(Protocol):
    """What a run needs of a source."""

    def claim(self, limit: int) -> list[PendingTask]:
        """Take up to ``limit`` due tasks, oldest first; an empty list means that there are no more in this run."""
        ...

    def claim_suspect(self) -> list[PendingTask]:
        """Take one task that may have killed the runs that held it, if there is one; to be asked about alone."""
        ...

    def count(self) -> int | None:
        """Count the tasks that are due, for progress only; None where that would cost too much."""
        ...

    def count_leased(self) -> int:
        """Count the tasks that would be due, were they not in the hands of another run, or just out of them."""
        ...

    def renew(self, held: Sequence[PendingTask]) -> set[str]:
        """Prolong the leases of tasks that this run holds; returns the IDs of those that it has lost."""
        ...

    def settle(self, settlements: Sequence[Settlement], *, within: Connection | None = None) -> None:
        """Write down what became of tasks, in the caller's transaction or in one of its own.

        Raises:
            LeaseLostError: this run does not hold all of them any more; what was written within the caller's
                transaction is to be rolled back.
        """
        ...

    def release(self, held: Sequence[PendingTask]) -> None:
        """Give tasks back as if they had not been claimed."""
        ...

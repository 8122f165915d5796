"""What one load writes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from etl.database.engines.base import Rows
from etl.tasks import FetchFailure

Within = Callable[[Connection], None]
"""A function that the loader calls in the transaction of a load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one load writes."""

    facts: Rows
    """The normalized rows, one per task, in the columns of ``stage_facts``."""
    audited: int
    """The claimed tasks that those rows account for."""
    dead_letters: Sequence[FetchFailure] = ()
    run_id: str | None = None
    """The run that made the observations, if it is another one than the run that loads them."""
    released: int = 0
    """The tasks of this batch that have no answer yet."""
    now: datetime | None = None
    """The time by the clock that dated the outcomes, which the run has just received; None if they are archived."""

    @property
    def tasks(self) -> int:
        """The claimed tasks that the batch accounts for."""
        return self.audited + len(self.dead_letters) + self.released

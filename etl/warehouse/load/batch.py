"""What one load writes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from etl.tasks import FetchFailure

if TYPE_CHECKING:
    import polars as pl

Within = Callable[[Connection], None]
"""A function that the loader calls in the transaction of a load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one load writes."""

    facts: "pl.DataFrame"
    """The normalized rows, one per task."""
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

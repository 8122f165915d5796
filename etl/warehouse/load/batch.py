"""What one load writes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl
from sqlalchemy import Connection

from etl.tasks import FetchFailure

Within = Callable[[Connection], None]
"""Something to be done in the transaction of a load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one load writes."""

    facts: pl.DataFrame
    """Normalized rows, one per task."""
    audited: int
    """How many claimed tasks those rows account for."""
    dead_letters: Sequence[FetchFailure] = ()
    run_id: str | None = None
    """The run that learnt this, where it is not the one that loads it."""
    released: int = 0
    """Tasks of this batch that gave no answer for now."""

    @property
    def tasks(self) -> int:
        """How many claimed tasks the batch accounts for."""
        return self.audited + len(self.dead_letters) + self.released

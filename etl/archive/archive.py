"""The archive of one run: each batch is written before it is loaded, so that a replay never lacks a fact."""

from collections.abc import Sequence
from datetime import date
from itertools import count
from typing import cast

import polars as pl

from etl.archive.rows import archive_rows
from etl.archive.store import Store, file_name
from etl.tasks import Outcome


class Archive:
    """Writes the outcomes of one run."""

    def __init__(self, store: Store, *, run_id: str) -> None:
        self._store = store
        self._run_id = run_id
        self._numbers = count(1)

    def keep(self, outcomes: Sequence[Outcome]) -> None:
        """Write a batch, with one file for each day on which its requests were sent.

        Raises:
            UnavailableError: the archive cannot be written; the batch must not be loaded.
        """
        rows = archive_rows(outcomes, run_id=self._run_id)
        number = next(self._numbers)
        for (day,), day_rows in rows.group_by(pl.col("observed_at").dt.date(), maintain_order=True):
            self._store.write(file_name(cast("date", day), self._run_id, number=number), day_rows)

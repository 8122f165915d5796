"""Replaces the warehouse in a dry run: it counts, and writes nothing."""

from collections.abc import Sequence
from dataclasses import replace

from etl.runs import AuditRun, Counters
from etl.tasks.detail import FIELDS, TERMINAL_STATUSES
from etl.warehouse.load.batch import Batch, Within

STATUS = [field.name for field in FIELDS].index("status")
"""The place of the status in a row of facts."""


class DryRun:
    """Takes batches and writes nothing, neither facts nor the row of the run."""

    def start(self, run: AuditRun) -> None:
        """Write nothing."""

    def load(self, batch: Batch, run: AuditRun, *, within: Within | None = None) -> AuditRun:  # noqa: ARG002 - unwritten
        """Count a batch; every fact counts as changed, since a dry run compares nothing."""
        still_open = sum(row[STATUS] not in TERMINAL_STATUSES for row in batch.facts)
        return replace(
            run,
            audited=run.audited + batch.audited,
            changed=run.changed + batch.audited,
            still_open=run.still_open + still_open,
            dead_lettered=run.dead_lettered + len(batch.dead_letters),
            released=run.released + batch.released,
        )

    def audited_by_dead_runs(self, task_ids: Sequence[str]) -> set[str]:  # noqa: ARG002 - nothing is claimed
        """Return none: a dry run claims nothing, so no dead run can have left a claim."""
        return set()

    def count_unfinished(self, *, but: str) -> int:  # noqa: ARG002 - nothing is claimed
        """Return none: see above."""
        return 0

    def finish(self, run: AuditRun, counters: Counters, *, within: Within | None = None) -> None:
        """Write nothing."""

"""Stands in for the warehouse when nothing may be written: it counts, and forgets."""

from collections.abc import Sequence
from dataclasses import replace

from etl.runs import AuditRun, Counters
from etl.task_detail import TERMINAL_STATUSES
from etl.warehouse.load.batch import Batch, Within


class DryRun:
    """Takes batches and writes nothing, neither facts nor the row of the run."""

    def start(self, run: AuditRun) -> None:
        """Write nothing."""

    def load(self, batch: Batch, run: AuditRun, *, within: Within | None = None) -> AuditRun:  # noqa: ARG002 - unwritten
        """Count a batch; every fact counts as changed, since nobody looks what is there."""
        finished = batch.facts["status"].is_in(list(TERMINAL_STATUSES)).sum()
        return replace(
            run,
            audited=run.audited + batch.audited,
            changed=run.changed + batch.audited,
            still_open=run.still_open + batch.facts.height - int(finished),
            dead_lettered=run.dead_lettered + len(batch.dead_letters),
            released=run.released + batch.released,
        )

    def audited_by_dead_runs(self, task_ids: Sequence[str]) -> set[str]:  # noqa: ARG002 - nothing is claimed
        """Say that there is none: nothing was claimed, so no run has left a claim behind."""
        return set()

    def finish(self, run: AuditRun, counters: Counters, *, within: Within | None = None) -> None:
        """Write nothing."""

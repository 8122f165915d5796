"""The metrics that a run can report."""

from datetime import UTC, datetime

import pytest

from etl.observe.metrics import JobSnapshot, registry_of
from etl.runs import AuditRun


@pytest.fixture(scope="session")
def reported_metrics():
    """Return the labels of every metric that a run can report."""
    now = datetime(2026, 11, 3, 1, tzinfo=UTC)
    run = AuditRun(started_at=now, finished_at=now, max_rate=50)
    snapshot = JobSnapshot(
        last_success_at=now, last_complete_at=now, backlog={}, oldest_pending_at=now, dead_letters={"not_found": 1}
    )
    families = registry_of(run, snapshot, labels={"configuration": "night", "shard": "0"}).collect()
    return {family.name: {label for sample in family.samples for label in sample.labels} for family in families}

"""Makes the page of the metrics from a run whose every number is known."""

from datetime import UTC, datetime

from docs.generate.markdown import table
from etl.observe.metrics import JobSnapshot, registry_of
from etl.runs import AuditRun

HEAD = """\
# Metrics

`make reference` writes this page from the code. All metrics are gauges, which a run reports at its end to a textfile of
node_exporter, a Pushgateway, or an OpenTelemetry collector. A number that a run could not learn keeps its last value.

All metrics have the label `configuration`: `telemetry.metrics_configuration`, or a name made from the two databases.
Two configurations have different series, even in one folder, and two targets of one configuration have the same ones.
The metrics of a shard also have the label `shard`.

"""


def page() -> str:
    """Describe every metric."""
    known = datetime(2026, 11, 3, tzinfo=UTC)
    run = AuditRun(started_at=known, finished_at=known, max_rate=1)
    snapshot = JobSnapshot(
        last_success_at=known, last_complete_at=known, backlog={}, oldest_pending_at=known, dead_letters={}
    )
    rows = []
    for family in registry_of(run, snapshot, labels={}).collect():
        values: dict[str, list[str]] = {}
        for sample in family.samples:
            for label, value in sample.labels.items():
                values.setdefault(label, []).append(f"`{value}`")
        labels = "<br>".join(f"`{label}`: {', '.join(values[label])}" for label in values)
        rows.append((f"`{family.name}`", family.documentation, labels))
    return HEAD + table(("metric", "meaning", "labels"), rows)

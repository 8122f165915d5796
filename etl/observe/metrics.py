"""The metrics of a finished run.

A run may fail to learn a number, such as the backlog while the database is down. Such a metric keeps the value that an
earlier run reported, so that the last success and the age of the backlog stay true.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import nan

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from etl.runs import AuditRun
from etl.tasks import TaskState
from etl.tasks.failure_reasons import FailureReason

PREFIX = "task_audit_"

OTHER = "other"
"""The label of numbers whose name this program does not know."""

COUNTED = ("claimed", "audited", "changed", "unchanged", "still_open", "dead_lettered", "released")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSnapshot:
    """The state of the job beyond one run; None is a value that could not be learnt."""

    last_success_at: datetime | None = None
    last_complete_at: datetime | None = None
    backlog: Mapping[str, int] | None = None
    """Tasks by state."""
    oldest_pending_at: datetime | None = None
    dead_letters: Mapping[str, int] | None = None
    """Open dead letters by reason."""


class LabelledMetrics:
    """Metrics with labels that all of them have."""

    def __init__(self, families: Iterable[Metric], labels: Mapping[str, str]) -> None:
        self._families = list(families)
        for family in self._families:
            family.samples = [sample._replace(labels={**sample.labels, **labels}) for sample in family.samples]

    def collect(self) -> list[Metric]:
        """List the metrics, as a registry expects of a collector."""
        return self._families


def registry_of(run: AuditRun, snapshot: JobSnapshot, *, labels: Mapping[str, str]) -> CollectorRegistry:
    """Make the metrics of a finished run, without those whose value is unknown."""
    plain = CollectorRegistry()
    _add_run(plain, run)
    _add_last_ends(plain, snapshot)
    _add_backlog(plain, snapshot)
    registry = CollectorRegistry()
    registry.register(LabelledMetrics(plain.collect(), labels))
    return registry


def _add_run(registry: CollectorRegistry, run: AuditRun) -> None:
    finished_at = run.finished_at or run.started_at
    duration = (finished_at - run.started_at).total_seconds()
    tasks = {name: getattr(run, name) for name in COUNTED}
    ended = "When the last run ended, with any exit code."
    _set(registry, "last_run_timestamp_seconds", meaning=ended, value=finished_at.timestamp())
    _set(registry, "last_run_duration_seconds", meaning="How long the last run took.", value=duration)
    _set(registry, "last_run_exit_code", meaning="The exit code of the last run.", value=run.exit_code or 0)
    _set_by(registry, "last_run_tasks", meaning="Tasks of the last run, by outcome.", label="outcome", values=tasks)
    _set(registry, "last_run_requests", meaning="Requests that the last run sent.", value=run.requests)
    _set(registry, "last_run_retries", meaning="Requests of the last run that repeated another one.", value=run.retries)
    throttled = "Requests of the last run that the API refused as too fast."
    _set(registry, "last_run_throttled", meaning=throttled, value=run.throttled)


def _add_last_ends(registry: CollectorRegistry, snapshot: JobSnapshot) -> None:
    if at := snapshot.last_success_at:
        _set(registry, "last_success_timestamp_seconds", meaning="When a run last ended with 0.", value=at.timestamp())
    if at := snapshot.last_complete_at:
        meaning = "When a run last went through to its end (0 or 65)."
        _set(registry, "last_complete_timestamp_seconds", meaning=meaning, value=at.timestamp())


def _add_backlog(registry: CollectorRegistry, snapshot: JobSnapshot) -> None:
    # A state or reason without tasks is reported as 0: a metric that is left out keeps its earlier value.
    if snapshot.backlog is not None:
        states = _by_known_name(snapshot.backlog, TaskState)
        _set_by(registry, "tasks", meaning="Tasks in the pending table, by state.", label="state", values=states)
        # An instant instead of an age: the age grows even while no run reports.
        oldest = snapshot.oldest_pending_at.timestamp() if snapshot.oldest_pending_at else nan
        meaning = "When the oldest pending task was submitted; NaN if no task is pending."
        _set(registry, "oldest_pending_timestamp_seconds", meaning=meaning, value=oldest)
    if snapshot.dead_letters is not None:
        reasons = _by_known_name(snapshot.dead_letters, FailureReason)
        _set_by(registry, "dead_letters", meaning="Open dead letters, by reason.", label="reason", values=reasons)


def _by_known_name(numbers: Mapping[str, int], names: Iterable[str]) -> dict[str, int]:
    """Sum the numbers of unknown names as one: other programs write the tables, and each name makes a time series."""
    known = {str(name): numbers.get(str(name), 0) for name in names}
    others = sum(number for name, number in numbers.items() if name not in known)
    return known | ({OTHER: others} if others else {})


def _set(registry: CollectorRegistry, name: str, *, meaning: str, value: float) -> None:
    Gauge(PREFIX + name, meaning, registry=registry).set(value)


def _set_by(registry: CollectorRegistry, name: str, *, meaning: str, label: str, values: Mapping[str, int]) -> None:
    gauge = Gauge(PREFIX + name, meaning, [label], registry=registry)
    for value, number in values.items():
        gauge.labels(value).set(number)


def parse_metrics(text: str) -> list[Metric]:
    """Read the job's own metrics from a text in Prometheus' format; a text in another format has none."""
    try:
        return [family for family in text_string_to_metric_families(text) if family.name.startswith(PREFIX)]
    except ValueError:
        return []


def configurations_of(families: Iterable[Metric]) -> set[str]:
    """Collect the labels ``configuration`` of all series that have one."""
    samples = (sample for family in families for sample in family.samples)
    return {sample.labels["configuration"] for sample in samples if "configuration" in sample.labels}

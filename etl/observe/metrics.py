"""The numbers that a monitoring system keeps of the job, and the ways to it: a textfile or a Pushgateway.

A run can fail to learn something, such as the backlog when the database is down. What it did not learn it leaves as it
was told last, so that the last success and the age of the backlog stay true. A target never costs more than
``BOUND_SECONDS``, and never the run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import nan
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, pushadd_to_gateway, write_to_textfile
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from etl.observe.deadline import Action
from etl.runs import AuditRun
from etl.settings.model import TelemetrySettings
from etl.tasks import FailureReason, Shard

BOUND_SECONDS = 2.0
"""What all targets together may cost a run."""

COUNTED = ("claimed", "audited", "changed", "unchanged", "still_open", "dead_lettered", "released")

STATES = ("pending", "done", "dead")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSnapshot:
    """How the job stands, beyond one run; None is what could not be learnt."""

    last_success_at: datetime | None = None
    last_complete_at: datetime | None = None
    backlog: Mapping[str, int] | None = None
    """Tasks by state."""
    oldest_pending_at: datetime | None = None
    dead_letters: Mapping[str, int] | None = None
    """Open ones by reason."""


class CarriedOver:
    """Metrics as another run has told them."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        """List them, as a registry asks."""
        return self._families


def registry_of(run: AuditRun, standing: JobSnapshot) -> CollectorRegistry:
    """Make the metrics of a finished run; what is not known is left out."""
    registry = CollectorRegistry()

    def tell(name: str, help_text: str, value: float) -> None:
        Gauge(f"task_audit_{name}", help_text, registry=registry).set(value)

    def tell_by(name: str, help_text: str, label: str, values: Mapping[str, int]) -> None:
        gauge = Gauge(f"task_audit_{name}", help_text, [label], registry=registry)
        for value, number in values.items():
            gauge.labels(value).set(number)

    finished_at = run.finished_at or run.started_at
    tell("last_run_timestamp_seconds", "When the last run ended, however it ended.", finished_at.timestamp())
    duration = (finished_at - run.started_at).total_seconds()
    tell("last_run_duration_seconds", "How long the last run took.", duration)
    tell("last_run_exit_code", "The exit code of the last run.", run.exit_code or 0)
    numbers = {name: getattr(run, name) for name in COUNTED}
    tell_by("last_run_tasks", "Tasks of the last run, by what became of them.", "outcome", numbers)
    tell("last_run_requests", "Requests that the last run sent.", run.requests)
    tell("last_run_retries", "Of these, asked again.", run.retries)
    tell("last_run_throttled", "Of these, refused as too fast.", run.throttled)
    if standing.last_success_at:
        when = standing.last_success_at.timestamp()
        tell("last_success_timestamp_seconds", "When a run last ended with 0.", when)
    if standing.last_complete_at:
        when = standing.last_complete_at.timestamp()
        tell("last_complete_timestamp_seconds", "When a run last went through to its end (0 or 65).", when)
    if standing.backlog is not None:
        # A state or reason without tasks is told as 0: what is not told would stay as it was.
        tell_by(
            "tasks", "Tasks in the pending table, by state.", "state", dict.fromkeys(STATES, 0) | dict(standing.backlog)
        )
        # An instant, not an age: so the age grows while no run tells anything.
        oldest = standing.oldest_pending_at.timestamp() if standing.oldest_pending_at else nan
        tell("oldest_pending_timestamp_seconds", "When the oldest pending task was submitted; NaN: none.", oldest)
    if standing.dead_letters is not None:
        reasons: dict[str, int] = {str(reason): 0 for reason in FailureReason}
        tell_by("dead_letters", "Open dead letters, by reason.", "reason", reasons | dict(standing.dead_letters))
    return registry


def write_textfile(file: Path, registry: CollectorRegistry) -> None:
    """Replace a textfile of node_exporter at once; what this run does not know stays as the file had it.

    Raises:
        OSError: the file cannot be written.
    """
    told = {family.name for family in registry.collect()}
    kept = [family for family in _families(file) if family.name.startswith("task_audit_") and family.name not in told]
    registry.register(CarriedOver(kept))
    write_to_textfile(str(file), registry)


def _families(file: Path) -> list[Metric]:
    try:
        return list(text_string_to_metric_families(file.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        # Nothing was told before, or by somebody else.
        return []


def metric_actions(
    settings: TelemetrySettings, run: AuditRun, standing: JobSnapshot, *, shard: Shard | None, seconds: float
) -> dict[str, Action]:
    """List what tells each target of a run."""
    targets: dict[str, Action] = {}
    if file := settings.metrics_textfile:
        targets["telemetry.metrics_textfile"] = lambda: write_textfile(file, registry_of(run, standing))
    if url := settings.pushgateway_url:
        group = {"shard": str(shard.index)} if shard else {}
        # Adding replaces only metrics of the same name; others, such as the last success, stay.
        targets["telemetry.pushgateway_url"] = lambda: pushadd_to_gateway(
            url, settings.pushgateway_job, registry_of(run, standing), group, timeout=seconds
        )
    return targets

"""The metrics of a finished run, and how they reach a monitoring system: a textfile or a Pushgateway.

A run may fail to learn a number, such as the backlog while the database is down. Such a metric keeps the value that an
earlier run reported, so that the last success and the age of the backlog stay true.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import nan
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

from prometheus_client import CollectorRegistry, Gauge, pushadd_to_gateway, write_to_textfile
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from etl.observe.deadline import Action
from etl.runs import AuditRun
from etl.settings.model import TelemetrySettings
from etl.settings.proxy import choose_proxy
from etl.tasks import Shard, TaskState
from etl.tasks.failure_reasons import FailureReason

MAX_REPORTING_SECONDS = 2.0
"""The time that all targets together may add to a run."""

PREFIX = "task_audit_"

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


class CarriedOver:
    """Metrics as an earlier run reported them."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        """List the metrics, as a registry expects of a collector."""
        return self._families


def registry_of(run: AuditRun, snapshot: JobSnapshot) -> CollectorRegistry:
    """Make the metrics of a finished run, without those whose value is unknown."""
    registry = CollectorRegistry()
    _add_run(registry, run)
    _add_last_ends(registry, snapshot)
    _add_backlog(registry, snapshot)
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
        states: dict[str, int] = {str(state): 0 for state in TaskState} | dict(snapshot.backlog)
        _set_by(registry, "tasks", meaning="Tasks in the pending table, by state.", label="state", values=states)
        # An instant instead of an age: the age grows even while no run reports.
        oldest = snapshot.oldest_pending_at.timestamp() if snapshot.oldest_pending_at else nan
        meaning = "When the oldest pending task was submitted; NaN if no task is pending."
        _set(registry, "oldest_pending_timestamp_seconds", meaning=meaning, value=oldest)
    if snapshot.dead_letters is not None:
        reasons: dict[str, int] = {str(reason): 0 for reason in FailureReason} | dict(snapshot.dead_letters)
        _set_by(registry, "dead_letters", meaning="Open dead letters, by reason.", label="reason", values=reasons)


def _set(registry: CollectorRegistry, name: str, *, meaning: str, value: float) -> None:
    Gauge(PREFIX + name, meaning, registry=registry).set(value)


def _set_by(registry: CollectorRegistry, name: str, *, meaning: str, label: str, values: Mapping[str, int]) -> None:
    gauge = Gauge(PREFIX + name, meaning, [label], registry=registry)
    for value, number in values.items():
        gauge.labels(value).set(number)


def write_textfile(file: Path, registry: CollectorRegistry) -> None:
    """Replace a textfile of node_exporter atomically; metrics that this run does not know keep their values.

    Raises:
        OSError: the file cannot be written.
    """
    reported = {family.name for family in registry.collect()}
    kept = [family for family in _families(file) if family.name.startswith(PREFIX) and family.name not in reported]
    registry.register(CarriedOver(kept))
    write_to_textfile(str(file), registry)


def _families(file: Path) -> list[Metric]:
    try:
        return list(text_string_to_metric_families(file.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        # No run has written the file yet, or another program wrote something else.
        return []


def metric_actions(
    settings: TelemetrySettings, run: AuditRun, *, snapshot: JobSnapshot, shard: Shard | None, seconds: float
) -> dict[str, Action]:
    """List the actions that send the metrics of a run, by target."""
    targets: dict[str, Action] = {}
    if file := settings.metrics_textfile:
        targets["telemetry.metrics_textfile"] = lambda: write_textfile(file, registry_of(run, snapshot))
    if url := settings.pushgateway_url:
        group = {"shard": str(shard.index)} if shard else {}
        # "Add" replaces only metrics of the same name; others, such as the last success, stay.
        targets["telemetry.pushgateway_url"] = lambda: pushadd_to_gateway(
            url,
            settings.pushgateway_job,
            registry_of(run, snapshot),
            group,
            timeout=seconds,
            handler=_send_by_proxy,
        )
    return targets


def _send_by_proxy(
    url: str, method: str, timeout: float | None, headers: Sequence[tuple[str, str]], data: bytes
) -> Callable[[], None]:
    """Make the function that sends one request to the Pushgateway, through the proxy that the job chooses."""

    def send() -> None:
        proxy = choose_proxy(url)
        ways = dict.fromkeys(("http", "https"), proxy.url.get_secret_value()) if proxy else {}
        request = Request(url, data=data, headers=dict(headers), method=method)  # noqa: S310 - checked as http or https
        try:
            build_opener(ProxyHandler(ways)).open(request, timeout=timeout).close()
        except OSError as error:
            by = f" (through the proxy {proxy})" if proxy else ""
            raise OSError(f"{error}{by}") from None

    return send

"""Reports the numbers of a finished run, and of the job after it, to all targets of metrics and traces.

To import the libraries of metrics takes 30 ms, a twentieth of a run without tasks, so that a run imports this module
only if it has such a target.
"""

from collections.abc import Mapping

from etl.database.clock import clock_of
from etl.jobs.opening import open_queue, open_warehouse
from etl.observe.deadline import SEND_SECONDS, Action, within
from etl.observe.extras import otlp
from etl.observe.metrics import JobSnapshot, registry_of
from etl.observe.pushgateway import push
from etl.observe.textfile import textfile_of, write_textfile
from etl.observe.trace import Trace
from etl.runs import AuditRun
from etl.settings.load import Settings
from etl.source.overview import overview
from etl.warehouse.read.overview import last_ends, open_dead_letters

SNAPSHOT_SECONDS = 10.0
"""The time limit for reading the state of the job from the databases."""


def metric_actions(run: AuditRun, settings: Settings, *, labels: Mapping[str, str], trace: Trace) -> dict[str, Action]:
    """Read the state of the job; returns by setting what reports it and the run.

    Args:
        run: the finished run.
        settings: name the targets.
        labels: what distinguishes the job from others with the same targets.
        trace: the durations of the run's steps.
    """
    telemetry, snapshot = settings.telemetry, _snapshot(settings)
    actions: dict[str, Action] = {}
    if setting := telemetry.metrics_textfile:
        file = textfile_of(setting, labels.get("shard"))
        actions["telemetry.metrics_textfile"] = lambda: write_textfile(
            file, registry_of(run, snapshot, labels=labels), labels=labels
        )
    if url := telemetry.pushgateway_url:
        actions["telemetry.pushgateway_url"] = lambda: push(
            url, telemetry, registry=registry_of(run, snapshot, labels=labels), labels=labels, seconds=SEND_SECONDS
        )
    if endpoint := telemetry.otlp_endpoint:
        actions["telemetry.otlp_endpoint (trace)"] = lambda: otlp().send_trace(
            endpoint, run, trace=trace, seconds=SEND_SECONDS
        )
        actions["telemetry.otlp_endpoint (metrics)"] = lambda: otlp().send_metrics(
            endpoint, run, snapshot=snapshot, labels=labels, seconds=SEND_SECONDS
        )
    return actions


def _snapshot(settings: Settings) -> JobSnapshot:
    """Read the state of the job; what a database does not answer in time stays unknown."""
    found: dict[str, object] = {}

    def read_warehouse() -> None:
        with open_warehouse(settings.warehouse, read_only=True) as warehouse:
            found.update(last_ends(warehouse.engine))
            found["dead_letters"] = {letters.reason: letters.tasks for letters in open_dead_letters(warehouse.engine)}

    def read_queue() -> None:
        with open_queue(settings.source) as (engine, table):
            counted = overview(engine, table, now=clock_of(engine)())
        states = {state.state: state for state in counted.states}
        pending = states.get("pending")
        found["oldest_pending_at"] = pending.oldest_submitted_at if pending else None
        found["backlog"] = {name: state.tasks for name, state in states.items()}

    reads = {"the warehouse": read_warehouse}
    if settings.source.mode == "queue":
        reads["the pending database"] = read_queue
    within(SNAPSHOT_SECONDS, reads)
    return JobSnapshot(**dict(found))  # type: ignore[arg-type]  # the names are the fields'

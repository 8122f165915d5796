"""Reports a run to the configured targets: how it went, and the state of the job after it."""

from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from threading import Thread
from typing import Any

from structlog.contextvars import bound_contextvars

from etl.database.clock import clock_of
from etl.error_codes import Code
from etl.errors import ConfigurationError, TaskAuditError
from etl.jobs.night import compose_digest, night_at, period_of
from etl.jobs.opening import open_queue, open_warehouse
from etl.jobs.servers import proxy_to, require_private_way, servers_of
from etl.observe.deadline import Action, start, within
from etl.observe.delivery import deliver
from etl.observe.labels import labels_of
from etl.observe.messages import messages_of
from etl.observe.metrics import MAX_REPORTING_SECONDS, JobSnapshot, registry_of
from etl.observe.outbox import Outbox
from etl.observe.pushgateway import push
from etl.observe.textfile import textfile_of, write_textfile
from etl.observe.trace import Trace
from etl.observe.webhook import open_webhook
from etl.runs import AuditRun, RunRequest, begin_run
from etl.settings.load import Settings
from etl.source.overview import overview
from etl.warehouse.read.overview import last_ends, open_dead_letters
from etl.warehouse.read.period import count_unfinished

SNAPSHOT_SECONDS = 10.0
"""The time limit for reading the state of the job from the databases."""

DIGEST_SECONDS = 30.0
"""The time limit for reading a night from the databases."""

SEND_SECONDS = MAX_REPORTING_SECONDS - 0.3
"""The time limit of one target; the rest is for logging why it failed."""


class RunReporters:
    """Reports one run to all configured targets, except a dry run."""

    def __init__(self, settings: Settings, request: RunRequest) -> None:
        self._settings = settings
        self._request = request
        self._telemetry = settings.telemetry
        self._starting: Thread | None = None
        self._is_written = False
        self.trace = Trace()
        """The durations of the run's steps."""

    def require(self) -> None:
        """Check before the run that the libraries of all targets are installed, and that their servers can be used.

        Raises:
            ConfigurationError: an extra is not installed, a variable does not name an HTTP proxy, or a credential would
                cross the network in clear text.
        """
        for setting, address in servers_of(self._settings):
            require_private_way(setting, address)
            proxy_to(setting, address, self._settings)
        if self._telemetry.otlp_endpoint:
            _otlp()
        if self._telemetry.openlineage_url:
            _lineage()

    def begin(self, run: AuditRun) -> None:
        """Report that a run begins, in the background; raises nothing."""
        if self._telemetry.openlineage_url and not self._request.dry_run:
            self._starting = start("telemetry.openlineage_url", lambda: self._emit_lineage(run))

    def note_written(self) -> None:
        """Note that the messages about the run are in the outbox, so that they are not sent a second time."""
        self._is_written = True

    def end(self, run: AuditRun) -> None:
        """Report the end of a run within two seconds; raises nothing."""
        if self._request.dry_run:
            return
        actions: dict[str, Action] = {}
        if self._telemetry.metrics_textfile or self._telemetry.pushgateway_url or self._telemetry.otlp_endpoint:
            actions |= self._metric_actions(run, _snapshot(self._settings))
        if self._telemetry.openlineage_url:
            actions["telemetry.openlineage_url"] = lambda: self._end_lineage(run)
        if self._settings.notify.webhook_url or self._settings.notify.webhook_url_file:
            if self._settings.notify.digest and self._is_written and self._request.tasks is None and run.reached_end:
                within(DIGEST_SECONDS, {"notify.digest": lambda: self._leave_digest(run)})
            actions["notify.webhook_url"] = lambda: self._notify(run)
        with bound_contextvars(run_id=run.run_id):
            within(MAX_REPORTING_SECONDS, actions)

    def end_unbegun(self, error: TaskAuditError) -> None:
        """Report a run that could not begin, and has no row."""
        now = datetime.now(UTC)
        run = begin_run(self._request.selection, max_rate=self._settings.api.max_rate, now=now)
        exit_code = error.exit_code
        self.begin(run)
        self.end(replace(run, finished_at=now, outcome=exit_code.outcome, exit_code=int(exit_code), error=str(error)))

    def _metric_actions(self, run: AuditRun, snapshot: JobSnapshot) -> dict[str, Action]:
        labels = labels_of(self._settings, self._request.selection.shard)
        actions: dict[str, Action] = {}
        if setting := self._telemetry.metrics_textfile:
            file = textfile_of(setting, labels.get("shard"))
            actions["telemetry.metrics_textfile"] = lambda: write_textfile(
                file, registry_of(run, snapshot, labels=labels), labels=labels
            )
        if url := self._telemetry.pushgateway_url:
            actions["telemetry.pushgateway_url"] = lambda: push(
                url,
                self._telemetry,
                registry=registry_of(run, snapshot, labels=labels),
                labels=labels,
                seconds=MAX_REPORTING_SECONDS,
            )
        if endpoint := self._telemetry.otlp_endpoint:
            actions["telemetry.otlp_endpoint (trace)"] = lambda: _otlp().send_trace(
                endpoint, run, trace=self.trace, seconds=SEND_SECONDS
            )
            actions["telemetry.otlp_endpoint (metrics)"] = lambda: _otlp().send_metrics(
                endpoint, run, snapshot=snapshot, labels=labels, seconds=SEND_SECONDS
            )
        return actions

    def _end_lineage(self, run: AuditRun) -> None:
        if self._starting is not None:
            # A run without tasks may end before its beginning is reported.
            self._starting.join(SEND_SECONDS / 2)
        self._emit_lineage(run)

    def _emit_lineage(self, run: AuditRun) -> None:
        url = self._telemetry.openlineage_url or ""
        _lineage().emit(url, run, settings=self._settings, seconds=SEND_SECONDS / 2)

    def _leave_digest(self, run: AuditRun) -> None:
        """Write the digest of the night into the outbox, if no other run of the night is going on."""
        with open_warehouse(self._settings.warehouse) as warehouse:
            engine = warehouse.engine
            night = night_at(engine, run.started_at)
            if not count_unfinished(engine, period_of(night)):
                message = compose_digest(self._settings, engine, night)
                Outbox(engine, clock=clock_of(engine)).put([message])

    def _notify(self, run: AuditRun) -> None:
        if webhook := open_webhook(self._settings.notify, ca_file=self._settings.api.ca_file):
            messages = [] if self._is_written else messages_of(run, self._settings.notify)
            deliver(webhook, lambda: open_warehouse(self._settings.warehouse), unwritten=messages, seconds=SEND_SECONDS)


def _otlp() -> Any:
    return _extra("otel", "etl.observe.otlp")


def _lineage() -> Any:
    return _extra("lineage", "etl.observe.lineage")


def _extra(name: str, module: str) -> Any:
    """Import a module that needs an extra.

    Raises:
        ConfigurationError: the extra is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigurationError(
            f"What is configured under telemetry needs the extra `{name}`, which is not installed.",
            code=Code.EXTRA_MISSING,
            remedy=f"Install it: pip install 'koodrive-task-audit[{name}]'.",
        ) from error


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

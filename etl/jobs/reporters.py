"""What is told of a run, above all when it has ended: how it went, and how the job stands now."""

from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from threading import Thread
from typing import Any

from structlog.contextvars import bound_contextvars

from etl.database.clock import clock_of
from etl.errors import Code, ConfigurationError, TaskAuditError
from etl.jobs.opening import open_queue, open_warehouse
from etl.observe.deadline import Action, start, within
from etl.observe.delivery import deliver
from etl.observe.messages import messages_of
from etl.observe.metrics import MAX_REPORTING_SECONDS, JobSnapshot, metric_actions
from etl.observe.trace import Trace
from etl.observe.webhook import open_webhook
from etl.runs import AuditRun, RunRequest, begin_run
from etl.settings.load import Settings
from etl.source.overview import overview
from etl.warehouse.read.overview import last_ends, open_dead_letters

LOOK_SECONDS = 10.0
"""How long looking at the databases may take."""

SEND_SECONDS = MAX_REPORTING_SECONDS - 0.3
"""What a sender gets, so that there is time to say what was wrong."""


class RunReporters:
    """Everybody who is told of one run: who is configured, and none of them in a dry run."""

    def __init__(self, settings: Settings, request: RunRequest) -> None:
        self._settings = settings
        self._request = request
        self._telemetry = settings.telemetry
        self._starting: Thread | None = None
        self._is_written = False
        self.trace = Trace()
        """What took how long."""

    def require(self) -> None:
        """Check that all of them can be told, before there is anything to tell.

        Raises:
            ConfigurationError: an extra is not installed.
        """
        if self._telemetry.otlp_endpoint:
            _otlp()
        if self._telemetry.openlineage_url:
            _lineage()

    def begin(self, run: AuditRun) -> None:
        """Tell of a run that begins, without waiting for it; raises nothing."""
        if self._telemetry.openlineage_url and not self._request.dry_run:
            self._starting = start("telemetry.openlineage_url", lambda: self._tell_lineage(run))

    def note_written(self) -> None:
        """Note that the messages about the run are in the outbox, so that they need no other way."""
        self._is_written = True

    def end(self, run: AuditRun) -> None:
        """Tell of a run that has ended, for two seconds at most; raises nothing."""
        if self._request.dry_run:
            return
        actions: dict[str, Action] = {}
        if self._telemetry.metrics_textfile or self._telemetry.pushgateway_url or self._telemetry.otlp_endpoint:
            actions |= self._metric_actions(run, _standing(self._settings))
        if self._telemetry.openlineage_url:
            actions["telemetry.openlineage_url"] = lambda: self._end_lineage(run)
        if self._settings.notify.webhook_url or self._settings.notify.webhook_url_file:
            actions["notify.webhook_url"] = lambda: self._notify(run)
        with bound_contextvars(run_id=run.run_id):
            within(MAX_REPORTING_SECONDS, actions)

    def end_unbegun(self, error: TaskAuditError) -> None:
        """Tell of a run that could not even begin, and has no row."""
        now = datetime.now(UTC)
        run = begin_run(self._request.selection, max_rate=self._settings.api.max_rate, now=now)
        exit_code = error.exit_code
        self.begin(run)
        self.end(replace(run, finished_at=now, outcome=exit_code.outcome, exit_code=int(exit_code), error=str(error)))

    def _metric_actions(self, run: AuditRun, standing: JobSnapshot) -> dict[str, Action]:
        shard = self._request.selection.shard
        actions = metric_actions(self._telemetry, run, snapshot=standing, shard=shard, seconds=MAX_REPORTING_SECONDS)
        if endpoint := self._telemetry.otlp_endpoint:
            actions["telemetry.otlp_endpoint (trace)"] = lambda: _otlp().send_trace(
                endpoint, run, trace=self.trace, seconds=SEND_SECONDS
            )
            actions["telemetry.otlp_endpoint (metrics)"] = lambda: _otlp().send_metrics(
                endpoint, run, snapshot=standing, seconds=SEND_SECONDS
            )
        return actions

    def _end_lineage(self, run: AuditRun) -> None:
        if self._starting is not None:
            # A run of no tasks may be over before its beginning is told.
            self._starting.join(SEND_SECONDS / 2)
        self._tell_lineage(run)

    def _tell_lineage(self, run: AuditRun) -> None:
        url = self._telemetry.openlineage_url or ""
        _lineage().emit(url, run, settings=self._settings, seconds=SEND_SECONDS / 2)

    def _notify(self, run: AuditRun) -> None:
        if webhook := open_webhook(self._settings.notify):
            about = [] if self._is_written else messages_of(run, self._settings.notify)
            deliver(webhook, lambda: open_warehouse(self._settings.warehouse), unwritten=about, seconds=SEND_SECONDS)


def _otlp() -> Any:
    return _extra("otel", "etl.observe.otlp")


def _lineage() -> Any:
    return _extra("lineage", "etl.observe.lineage")


def _extra(name: str, room: str) -> Any:
    """Open a room that needs an extra.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        return import_module(room)
    except ImportError as error:
        raise ConfigurationError(
            f"What is configured under telemetry needs the extra `{name}`, which is not installed.",
            code=Code.EXTRA_MISSING,
            remedy=f"Install it: pip install 'koodrive-task-audit[{name}]'.",
        ) from error


def _standing(settings: Settings) -> JobSnapshot:
    """Look how the job stands, as far as the databases let us."""
    learnt: dict[str, object] = {}

    def look_at_the_warehouse() -> None:
        with open_warehouse(settings.warehouse) as warehouse:
            learnt.update(last_ends(warehouse.engine))
            learnt["dead_letters"] = {letters.reason: letters.tasks for letters in open_dead_letters(warehouse.engine)}

    def look_at_the_queue() -> None:
        with open_queue(settings.source) as (engine, table):
            states = {state.state: state for state in overview(engine, table, now=clock_of(engine)())}
        pending = states.get("pending")
        learnt["oldest_pending_at"] = pending.oldest_submitted_at if pending else None
        learnt["backlog"] = {name: state.tasks for name, state in states.items()}

    looks = {"the warehouse": look_at_the_warehouse}
    if settings.source.mode == "queue":
        looks["the pending database"] = look_at_the_queue
    within(LOOK_SECONDS, looks)
    return JobSnapshot(**dict(learnt))  # type: ignore[arg-type]  # the names are the fields'

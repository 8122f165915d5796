"""Reports a run to the configured targets: how it went, and the state of the job after it."""

from dataclasses import replace
from datetime import UTC, datetime
from threading import Thread

from structlog.contextvars import bound_contextvars

from etl.database.clock import clock_of
from etl.errors import TaskAuditError
from etl.jobs.night import compose_digest, night_at, period_of
from etl.jobs.opening import open_warehouse
from etl.jobs.servers import proxy_to, require_private_way, servers_of
from etl.observe.deadline import MAX_REPORTING_SECONDS, SEND_SECONDS, Action, start, within
from etl.observe.delivery import deliver
from etl.observe.extras import lineage, otlp
from etl.observe.labels import labels_of
from etl.observe.messages import messages_of
from etl.observe.outbox import Outbox
from etl.observe.trace import Trace
from etl.observe.webhook import open_webhook
from etl.runs import AuditRun, RunRequest, begin_run
from etl.settings.load import Settings
from etl.warehouse.read.period import count_unfinished

DIGEST_SECONDS = 30.0
"""The time limit for reading a night from the databases."""


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
            otlp()
        if self._telemetry.openlineage_url:
            lineage()

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
            from etl.jobs.metrics import metric_actions  # noqa: PLC0415 - its libraries take time to import

            labels = labels_of(self._settings, self._request.selection.shard)
            actions |= metric_actions(run, self._settings, labels=labels, trace=self.trace)
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

    def _end_lineage(self, run: AuditRun) -> None:
        if self._starting is not None:
            # A run without tasks may end before its beginning is reported.
            self._starting.join(SEND_SECONDS / 2)
        self._emit_lineage(run)

    def _emit_lineage(self, run: AuditRun) -> None:
        url = self._telemetry.openlineage_url or ""
        lineage().emit(url, run, settings=self._settings, seconds=SEND_SECONDS / 2)

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

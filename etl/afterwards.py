"""What is told of a run when it has ended: how it went, and how the job stands now."""

from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from etl.configuration import Settings
from etl.database.clock import clock_of
from etl.errors import ConfigurationError, TaskAuditError
from etl.job import Order, open_queue, open_warehouse
from etl.metrics import BOUND_SECONDS, Errand, Standing, metric_errands, within
from etl.notices import notices_of
from etl.notify import deliver
from etl.runs import OUTCOMES, AuditRun, begin_run
from etl.source.overview import overview
from etl.trace import Trace
from etl.warehouse.overview import last_ends, open_dead_letters
from etl.webhook import open_webhook

LOOK_SECONDS = 10.0
"""How long looking at the databases may take."""

SEND_SECONDS = BOUND_SECONDS - 0.3
"""What a sender gets, so that there is time to say what was wrong."""


def require_listeners(settings: Settings) -> None:
    """Check that everybody who is configured can be told, before there is anything to tell.

    Raises:
        ConfigurationError: an extra is not installed.
    """
    if settings.telemetry.otlp_endpoint:
        _extra("otel", "etl.otlp")


def tell(settings: Settings, order: Order, run: AuditRun, trace: Trace) -> None:
    """Tell everybody who is configured of a run that has ended; raises nothing."""
    if order.dry_run:
        return
    errands: dict[str, Errand] = {}
    telemetry, notify = settings.telemetry, settings.notify
    if telemetry.metrics_textfile or telemetry.pushgateway_url or telemetry.otlp_endpoint:
        standing = _standing(settings)
        shard = order.selection.shard
        errands |= metric_errands(telemetry, run, standing, shard=shard, seconds=BOUND_SECONDS)
        errands |= _otlp_errands(telemetry.otlp_endpoint, run, standing, trace)
    if notify.webhook_url or notify.webhook_url_file:
        errands["notify.webhook_url"] = lambda: _notify(settings, run)
    within(BOUND_SECONDS, errands)


def _otlp_errands(endpoint: str | None, run: AuditRun, standing: Standing, trace: Trace) -> dict[str, Errand]:
    if not endpoint:
        return {}

    def send_trace() -> None:
        _extra("otel", "etl.otlp").send_trace(endpoint, run, trace, seconds=SEND_SECONDS)

    def send_metrics() -> None:
        _extra("otel", "etl.otlp").send_metrics(endpoint, run, standing, seconds=SEND_SECONDS)

    return {"telemetry.otlp_endpoint (trace)": send_trace, "telemetry.otlp_endpoint (metrics)": send_metrics}


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
            remedy=f"Install it: pip install 'koodrive-task-audit[{name}]'.",
        ) from error


def _notify(settings: Settings, run: AuditRun) -> None:
    if webhook := open_webhook(settings.notify):
        about = notices_of(run, settings.notify)
        deliver(webhook, lambda: open_warehouse(settings.warehouse), about, seconds=SEND_SECONDS)


def tell_unbegun(settings: Settings, order: Order, error: TaskAuditError) -> None:
    """Tell of a run that could not even begin, and has no row."""
    now = datetime.now(UTC)
    run = begin_run(order.selection, max_rate=settings.api.max_rate, now=now)
    ended = replace(
        run,
        finished_at=now,
        outcome=OUTCOMES[error.exit_code],
        exit_code=int(error.exit_code),
        error=str(error),
    )
    tell(settings, order, ended, Trace())


def _standing(settings: Settings) -> Standing:
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
    return Standing(**dict(learnt))  # type: ignore[arg-type]  # the names are the fields'

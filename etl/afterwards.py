"""What is told of a run when it has ended: how it went, and how the job stands now."""

from dataclasses import replace
from datetime import UTC, datetime

from etl.configuration import Settings
from etl.database.clock import clock_of
from etl.errors import TaskAuditError
from etl.job import Order, open_queue, open_warehouse
from etl.metrics import BOUND_SECONDS, Standing, tell_metrics, within
from etl.runs import OUTCOMES, AuditRun, begin_run
from etl.source.overview import overview
from etl.warehouse.overview import last_ends, open_dead_letters

LOOK_SECONDS = 10.0
"""How long looking at the databases may take."""


def tell(settings: Settings, order: Order, run: AuditRun) -> None:
    """Tell everybody who is configured of a run that has ended; raises nothing."""
    telemetry = settings.telemetry
    if order.dry_run or not (telemetry.metrics_textfile or telemetry.pushgateway_url):
        return
    shard = order.selection.shard
    tell_metrics(telemetry, run, _standing(settings), shard=shard, seconds=BOUND_SECONDS)


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
    tell(settings, order, ended)


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

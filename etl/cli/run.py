"""`task-audit run`: parse, send a run off, report, and end with its verdict."""

import asyncio
import gc
import sys
from dataclasses import asdict
from datetime import UTC, datetime, time, timedelta
from functools import cache

import click
import msgspec
from rich.console import Console

from etl.cli.context import Context, common_options, pass_context
from etl.cli.options import require_shards, selection_options
from etl.cli.progress import show_progress, shows_progress
from etl.cli.signals import GO_ON, stop_on_signals
from etl.cli.types import Duration, TimeOfDay, seconds_until
from etl.errors import Code, StoppedError, TaskAuditError
from etl.jobs.audit import ProgressHook, RunHooks, run_job
from etl.jobs.reporters import RunReporters
from etl.report.summary import print_summary
from etl.run.pipeline import Pipeline
from etl.runs import AuditRun, RunRequest
from etl.settings.load import Settings
from etl.tasks import Selection, Shard


@click.command()
@selection_options
@click.option("--dry-run", is_flag=True, help="Fetch and normalize, but write nothing anywhere.")
@click.option("--max-duration", type=Duration(), help="End cleanly after so long, e.g. 2h or 90m.")
@click.option("--stop-at", type=TimeOfDay(), help="End cleanly at this time of day in UTC, e.g. 06:00.")
@click.option("--json", "as_json", is_flag=True, help="Print the run's row as one JSON object on stdout.")
@common_options
@pass_context
def run(
    context: Context,
    *,
    since: datetime | None,
    until: datetime | None,
    limit: int | None,
    refetch: bool,
    shard: Shard | None,
    dry_run: bool,
    max_duration: timedelta | None,
    stop_at: time | None,
    as_json: bool,
) -> None:
    """Audit the tasks that are due: claim, fetch, normalize, load.

    A plain date means the whole UTC day at both ends. The exit code is the verdict: 0 everything was audited, 65 some
    tasks are dead letters, 69 something is unavailable, 75 stopped early, 77 credentials refused, 78 configuration.

    \b
    Example:
      task-audit run --since 2026-11-01 --until 2026-11-07
      task-audit run --stop-at 06:00 --json
    """
    settings = context.settings({"run": {"deadline_seconds": max_duration.total_seconds()}} if max_duration else {})
    require_shards(shard, settings.source)
    selection = Selection(since=since, until=until, refetch=refetch, shard=shard)
    request = RunRequest(selection=selection, tasks=limit, dry_run=dry_run)
    _freeze_imports()
    progress = watch_progress if shows_progress(settings.telemetry.log_format) else None
    listeners = RunReporters(settings, request)
    try:
        listeners.require()
        seconds = _seconds(settings, stop_at)
        finished = asyncio.run(
            run_until_stopped(settings, request, seconds=seconds, progress=progress, listeners=listeners)
        )
    except TaskAuditError as error:
        listeners.end_unbegun(error)
        raise
    listeners.end(finished)
    print_summary(finished, console=Console(stderr=True), dry_run=dry_run)
    if as_json:
        click.echo(msgspec.json.encode(asdict(finished)))
    sys.exit(finished.exit_code)


@cache
def _freeze_imports() -> None:
    """Keep the collector from going through it again and again while answers come and go.

    Once in a process: a second run in it would keep the garbage of the first.
    """
    gc.freeze()


async def run_until_stopped(
    settings: Settings,
    request: RunRequest,
    *,
    seconds: float | None,
    progress: ProgressHook | None = None,
    listeners: RunReporters | None = None,
) -> AuditRun:
    """Run until everything is done, the time is up, or a signal comes."""
    shutdown = stop_on_signals()
    if seconds is not None:
        time_is_up = StoppedError("The time for this run is up.", code=Code.STOPPED_BY_TIME, remedy=GO_ON)
        asyncio.get_running_loop().call_later(seconds, shutdown.request, time_is_up)
    listeners = listeners or RunReporters(settings, request)
    hooks = RunHooks(
        progress=progress,
        begin=listeners.begin,
        note_written=listeners.note_written,
        trace=listeners.trace,
    )
    return await run_job(settings, request, shutdown=shutdown, hooks=hooks)


def watch_progress(pipeline: Pipeline, total: int | None) -> None:
    """Show a progress bar until the event loop ends."""
    show_progress(lambda: (pipeline.answered, pipeline.record.run.throttled), total=total)


def _seconds(settings: Settings, stop_at: time | None) -> float | None:
    limits = [settings.run.deadline_seconds, seconds_until(stop_at, now=datetime.now(UTC)) if stop_at else None]
    return min((limit for limit in limits if limit is not None), default=None)

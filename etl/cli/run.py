"""`task-audit run`: starts a run, reports it, and exits with its exit code."""

import gc
import sys
from dataclasses import asdict
from datetime import UTC, datetime, time, timedelta
from functools import cache, partial

import click

from etl.cli.context import Context, common_options, pass_context
from etl.cli.ended_run import print_row, show_summary
from etl.cli.foreground import run_async, run_until_stopped, watch_progress
from etl.cli.options import require_shards, selection_options
from etl.cli.processes import MAX_PROCESSES, run_side_by_side
from etl.cli.progress import shows_progress
from etl.cli.signals import interruptible
from etl.cli.types import Duration, TimeOfDay, seconds_until
from etl.errors import TaskAuditError
from etl.exit_codes import ExitCode
from etl.jobs.read_copy import renew_read_copy
from etl.jobs.reporters import RunReporters
from etl.runs import FinishedRun, RunRequest
from etl.settings.load import Settings
from etl.tasks import Selection, Shard

GC_THRESHOLD = 10_000
"""The new objects between two garbage collections of a run. Each batch leaves 2,000 behind, since the statements of
SQLAlchemy are cycles; until 150,000 of them had come together, a run of 500,000 tasks grew by 10 to 18 MiB.
"""

EXIT_CODES = ", ".join(f"{code} {code.outcome.replace('_', ' ')}" for code in ExitCode)


@click.command(epilog=f"Exit codes: {EXIT_CODES}.")
@selection_options
@click.option("--dry-run", is_flag=True, help="Fetch and normalize, but write nothing anywhere.")
@click.option("--max-duration", type=Duration(), help="End cleanly after this time, e.g. 2h or 90m.")
@click.option("--stop-at", type=TimeOfDay(), help="End cleanly at this time of day in UTC, e.g. 06:00.")
@click.option(
    "--processes",
    type=click.IntRange(1, MAX_PROCESSES),
    default=1,
    help="Start so many runs on this machine that share tasks and rate; the databases must be on servers.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the run's row as one JSON object on stdout.")
@click.option("--is-one-of-several", is_flag=True, hidden=True, help="Leave the summary to the command above.")
@common_options
@pass_context
def run(
    context: Context,
    *,
    since: datetime | None,
    until: datetime | None,
    limit: int | None,
    refetch: bool,
    recheck: bool,
    shard: Shard | None,
    dry_run: bool,
    max_duration: timedelta | None,
    stop_at: time | None,
    processes: int,
    as_json: bool,
    is_one_of_several: bool,
) -> None:
    """Audit the tasks that are due: claim, fetch, normalize, load.

    A plain date means the whole UTC day at both ends.

    \b
    Example:
      task-audit run --since 2026-11-01 --until 2026-11-07
      task-audit run --stop-at 06:00 --json
      task-audit run --processes 4
    """
    settings = context.settings({"run": {"deadline_seconds": max_duration.total_seconds()}} if max_duration else {})
    require_shards(shard, settings.source)
    selection = Selection(since=since, until=until, refetch=refetch, recheck=recheck, shard=shard)
    request = RunRequest(selection=selection, tasks=limit, dry_run=dry_run)
    seconds = _seconds(settings, stop_at)
    if processes > 1:
        several = partial(run_side_by_side, context, settings, request=request, processes=processes)
        sys.exit(several(seconds=seconds, as_json=as_json))
    finished = _audit(settings, request, seconds, shows_bar=not is_one_of_several)
    if not is_one_of_several:
        show_summary(finished, log_format=settings.telemetry.log_format, dry_run=dry_run)
    if as_json:
        print_row({**asdict(finished.run), "waiting": finished.waiting})
    sys.exit(finished.run.exit_code)


def _audit(settings: Settings, request: RunRequest, seconds: float | None, *, shows_bar: bool) -> FinishedRun:
    """Do the run, and report its beginning and its end."""
    _freeze_imports()
    progress = watch_progress if shows_bar and shows_progress(settings.telemetry.log_format) else None
    reporters = RunReporters(settings, request)
    try:
        reporters.require()
        finished = run_async(
            run_until_stopped(settings, request, seconds=seconds, progress=progress, reporters=reporters)
        )
    except TaskAuditError as error:
        reporters.end_unbegun(error)
        raise
    reporters.end(finished.run)
    if not request.dry_run:
        with interruptible():
            renew_read_copy(settings)
    return finished


@cache
def _freeze_imports() -> None:
    """Exempt the imported modules from garbage collection, and collect often from then on.

    This happens once in a process: a second run would also keep the garbage of the first.
    """
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)


def _seconds(settings: Settings, stop_at: time | None) -> float | None:
    limits = [settings.run.deadline_seconds, seconds_until(stop_at, now=datetime.now(UTC)) if stop_at else None]
    return min((limit for limit in limits if limit is not None), default=None)

"""`task-audit enqueue`: adds pending tasks by ID, from a file, or from KooDrive's list."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from itertools import chain

import click

from etl.cli.context import Context, common_options, pass_context
from etl.cli.options import range_options
from etl.cli.progress import show_progress, shows_progress
from etl.cli.signals import stop_on_signals
from etl.fetch.pool import Traffic
from etl.jobs.collect import Collected, Wanted, collect
from etl.jobs.opening import open_queue
from etl.settings.load import Settings
from etl.source.enqueue import Enqueued
from etl.source.enqueue import enqueue as add_to_queue
from etl.source.task_files import PendingRow, check_ids, read_pending
from etl.tasks.detail import TaskStatus


@click.command()
@click.argument("task_ids", metavar="[ID]...", nargs=-1)
@click.option(
    "--file",
    "path",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="CSV, NDJSON, Parquet or Excel with task_id and optional submitted_at, or one ID a line; - is standard input.",
)
@click.option("--column", metavar="NAME", help="With --file: the column of task IDs, if it is not named task_id.")
@click.option(
    "--allow-rounded", is_flag=True, help="With --file: accept long IDs most of which end in zeros, as if rounded."
)
@click.option("--dry-run", is_flag=True, help="Check everything and count, but add nothing.")
@click.option("--from-api", is_flag=True, help="Add the tasks of KooDrive's own list.")
@click.option(
    "--status",
    "statuses",
    type=click.Choice(TaskStatus, case_sensitive=False),
    multiple=True,
    help="With --from-api: only tasks of this status; may be repeated.",
)
@range_options(
    since="With --from-api: submitted from this date or instant (UTC) on.",
    until="With --from-api: submitted by the end of this date, or before this instant.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help="With --from-api: take at most this many tasks. Without it, a million is an error.",
)
@common_options
@pass_context
def enqueue(
    context: Context,
    *,
    task_ids: tuple[str, ...],
    path: str | None,
    column: str | None,
    allow_rounded: bool,
    dry_run: bool,
    from_api: bool,
    statuses: tuple[TaskStatus, ...],
    since: datetime | None,
    until: datetime | None,
    limit: int | None,
) -> None:
    """Add pending task IDs; an ID that is already there stays as it is.

    The command also counts the tasks that are already there and that no run asks about: (2 done, 1 dead). If one ID or
    time is wrong, the command adds nothing.

    \b
    Example:
      task-audit enqueue 1534087020903704704
      task-audit enqueue --file leavers.csv --dry-run
      task-audit enqueue --file leavers.xlsx --column 'Task number'
      psql -Atc 'SELECT id FROM leaver_task' | task-audit enqueue --file -
      task-audit enqueue --from-api --status FAILED --since 2026-11-01
    """
    wanted = Wanted(statuses=frozenset(statuses), since=since, until=until, tasks=limit)
    if from_api:
        if task_ids or path is not None or dry_run:
            raise click.UsageError("--from-api takes the IDs from KooDrive; leave out other IDs, --file and --dry-run.")
        _from_api(context.settings(), wanted)
    else:
        _require_given(task_ids, path, wanted=wanted, is_about_a_file=bool(column or allow_rounded))
        read = partial(read_pending, column=column, allow_rounded=allow_rounded)
        _from_people(context, task_ids, path, read=read, dry_run=dry_run)


def _require_given(task_ids: tuple[str, ...], path: str | None, *, wanted: Wanted, is_about_a_file: bool) -> None:
    if wanted != Wanted():
        raise click.UsageError(
            "--status, --since, --until and --limit select from KooDrive's list: give --from-api, too."
        )
    if not task_ids and path is None:
        raise click.UsageError("Give task IDs, or --file PATH, or --file - for standard input, or --from-api.")
    if path is None and is_about_a_file:
        raise click.UsageError("--column and --allow-rounded are about a file: give --file, too.")


def _from_people(
    context: Context,
    task_ids: tuple[str, ...],
    path: str | None,
    *,
    read: Callable[..., Iterable[PendingRow]],
    dry_run: bool,
) -> None:
    # A wrong argument is refused before the configuration is read.
    arguments = list(check_ids(task_ids))
    name = "Standard input" if path == "-" else path
    with ExitStack() as files, open_queue(context.settings().source) as (engine, table):
        from_file: Iterable[PendingRow] = ()
        if path:
            from_file = read(files.enter_context(click.open_file(path, "rb")), name=name)
        added = add_to_queue(engine, table, chain(arguments, from_file), dry_run=dry_run)
    if added.given:
        _print_added(added, dry_run=dry_run)
    else:
        click.echo(f"{name} has no tasks: nothing to add.")


def _from_api(settings: Settings, wanted: Wanted) -> None:
    collected, traffic = Collected(), Traffic()

    async def collect_until_stopped() -> None:
        shutdown = stop_on_signals()
        if shows_progress(settings.telemetry.log_format):
            show_progress(lambda: (collected.listed, traffic.throttled), total=None)
        await collect(settings, wanted, shutdown=shutdown, collected=collected, traffic=traffic)

    try:
        asyncio.run(collect_until_stopped())
    finally:
        # Tasks that were added before an error stay.
        if collected.pages:
            _print_added(Enqueued(given=collected.given, new=collected.new, settled=collected.settled))


def _print_added(added: Enqueued, *, dry_run: bool = False) -> None:
    states = ", ".join(f"{tasks:,} {state}" for state, tasks in sorted(added.settled.items()))
    repeated = f", {added.repeated:,} repeated in the input" if added.repeated else ""
    dry = " Nothing was added: this was a dry run." if dry_run else ""
    click.echo(f"{added.new:,} new, {added.known:,} already there{f' ({states})' if states else ''}{repeated}.{dry}")

"""The commands around a run: set up, enqueue, look."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from typing import IO, Any, BinaryIO, cast

import click
import msgspec
from rich.console import Console

from etl.cli.context import Context, common_options, pass_context
from etl.configuration import Settings
from etl.database.clock import clock_of
from etl.job import initialize, open_queue, open_warehouse
from etl.report.status import Status, print_status, status_json
from etl.source.enqueue import enqueue as add_to_queue
from etl.source.intake import PendingRow, check_ids, read_pending
from etl.source.overview import overview
from etl.warehouse.labels import count_unexplained
from etl.warehouse.notifications import count_unsent
from etl.warehouse.overview import last_runs, open_dead_letters

RUNS_SHOWN = 10


@click.command()
@common_options
@pass_context
def init(context: Context) -> None:
    """Create or upgrade the pending table and the warehouse; safe to repeat.

    \b
    Example:
      task-audit init
      task-audit --config production.toml init
    """
    for done in initialize(context.settings()):
        name = done.name[0].upper() + done.name[1:]
        if done.before == done.after:
            click.echo(f"{name}: version {done.after}, nothing to do.")
        elif done.before is None:
            click.echo(f"{name}: created, version {done.after}.")
        else:
            click.echo(f"{name}: upgraded from version {done.before} to {done.after}.")


@click.command()
@click.argument("task_ids", metavar="[ID]...", nargs=-1)
@click.option(
    "--file",
    "path",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="CSV, NDJSON or Parquet with task_id and optional submitted_at, or one ID a line; - is standard input.",
)
@common_options
@pass_context
def enqueue(context: Context, *, task_ids: tuple[str, ...], path: str | None) -> None:
    """Add pending task IDs; one that is already there is left alone.

    \b
    Example:
      task-audit enqueue 1534087020903704704
      task-audit enqueue --file leavers.csv
      psql -Atc 'SELECT id FROM leaver_task' | task-audit enqueue --file -
    """
    if not task_ids and path is None:
        raise click.UsageError("Give task IDs, or --file PATH, or --file - for standard input.")
    settings = context.settings()
    with ExitStack() as files, open_queue(settings.source) as (engine, table):
        from_file = _pending_in(files.enter_context(click.open_file(path, "rb")), path) if path else ()
        added = add_to_queue(engine, table, chain(check_ids(task_ids), from_file))
    click.echo(f"{added.new} new, {added.given - added.new} already there.")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@common_options
@pass_context
def status(context: Context, *, as_json: bool) -> None:
    """Show the backlog by state and age, open dead letters and the last runs.

    \b
    Example:
      task-audit status --json | jq .dead_letters
    """
    found = _status(context.settings())
    if as_json:
        click.echo(status_json(found))
    else:
        print_status(found, console=Console())


@click.group()
def config() -> None:
    """Look at the configuration."""


@config.command("show")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@common_options
@pass_context
def show(context: Context, *, as_json: bool) -> None:
    """Show every setting in force and where it came from, secrets masked.

    \b
    Example:
      TASK_AUDIT_API__MAX_RATE=20 task-audit config show
    """
    configuration = context.configuration()
    rows = configuration.rows()
    if as_json:
        values = {row.name: {"value": row.value, "origin": row.origin} for row in rows}
        click.echo(msgspec.json.encode(values))
        return
    width = max(len(f"{row.key} = {row.value}") for row in rows)
    section = None
    for row in rows:
        if row.section != section:
            click.echo(f"{'' if section is None else chr(10)}[{row.section}]")
            section = row.section
        click.echo(f"{f'{row.key} = {row.value}':<{width}}  # {row.origin}")


def _pending_in(file: IO[Any], path: str) -> Iterator[PendingRow]:
    return read_pending(cast("BinaryIO", file), name="standard input" if path == "-" else path)


def _status(settings: Settings) -> Status:
    backlog = None
    if settings.source.mode == "queue":
        with open_queue(settings.source) as (engine, table):
            backlog = overview(engine, table, now=clock_of(engine)())
    with open_warehouse(settings.warehouse) as warehouse:
        return Status(
            backlog=backlog,
            dead_letters=open_dead_letters(warehouse.engine),
            runs=last_runs(warehouse.engine, number=RUNS_SHOWN),
            unexplained=count_unexplained(warehouse.engine),
            unsent=count_unsent(warehouse.engine),
        )

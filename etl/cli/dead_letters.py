"""`task-audit dead-letters`: shows tasks that could not be audited, and retries or discards them."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any, TypeVar

import click

from etl.cli.context import Context, common_options, pass_context
from etl.cli.output import open_console, print_json
from etl.cli.types import Duration
from etl.database.clock import clock_of
from etl.error_codes import Code
from etl.errors import InputError
from etl.jobs.opening import open_queue, open_warehouse
from etl.jobs.read_copy import renew_read_copy
from etl.report.result_set import print_object, to_objects
from etl.report.status_text import print_dead_letters
from etl.settings.load import Settings
from etl.source.requeue import requeue, withdraw
from etl.tasks.failure_reasons import FailureReason, advice_on
from etl.warehouse.read.dead_letters import Choice, DeadLetter, begin_again, discard, letter_of, open_letters
from etl.warehouse.read.questions import ResultSet

COLUMNS = (*(each.name for each in fields(DeadLetter)), "decision")

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options that choose dead letters."""

    task_ids: tuple[str, ...]
    reasons: tuple[str, ...]
    older_than: timedelta | None
    newer_than: timedelta | None

    def choice(self, *, now: datetime) -> Choice:
        """Turn ages into instants."""
        return Choice(
            task_ids=self.task_ids,
            reasons=self.reasons,
            failed_before=now - self.older_than if self.older_than else None,
            failed_after=now - self.newer_than if self.newer_than else None,
        )

    @property
    def choose_nothing(self) -> bool:
        """Whether the options choose no dead letter."""
        return not (self.task_ids or self.reasons or self.older_than or self.newer_than)


def _refuse_contradiction(ctx: click.Context, param: click.Parameter, value: timedelta | None) -> timedelta | None:
    """Refuse ages that no dead letter can have, whichever of the two options comes second."""
    ages = {**ctx.params, param.name: value}
    older, newer = ages.get("older_than"), ages.get("newer_than")
    # Click keeps a sentinel, not None, for an option that is absent.
    if isinstance(older, timedelta) and isinstance(newer, timedelta) and newer <= older:
        raise click.UsageError("--newer-than is not longer than --older-than, so no dead letter matches both.", ctx)
    return value


def choice_options(command: Decorated) -> Decorated:
    """Give a command the options that choose dead letters; a dead letter must match all of them."""
    reasons = click.Choice([str(reason) for reason in FailureReason])
    for option in (
        click.argument("task_ids", metavar="[ID]...", nargs=-1),
        click.option("--reason", "reasons", type=reasons, multiple=True, help="Only for this reason; may be repeated."),
        click.option(
            "--older-than",
            type=Duration(),
            callback=_refuse_contradiction,
            help="Only if the last failure is older than this, such as 3d.",
        ),
        click.option(
            "--newer-than",
            type=Duration(),
            callback=_refuse_contradiction,
            help="Only if the last failure is newer than this.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
    ):
        command = option(command)
    return command


@click.group("dead-letters")
def dead_letters() -> None:
    """Show tasks that could not be audited; retry or discard them."""


@dead_letters.command("list")
@choice_options
@common_options
@pass_context
def list_(context: Context, /, *, as_json: bool, **options: Any) -> None:
    """List open dead letters, the newest failure first, with your decision to try a task again.

    ``show`` and ``--json`` have every column, such as the trace ID and the detail.

    \b
    Example:
      task-audit dead-letters list --reason bad_payload --newer-than 24h
      task-audit dead-letters list --json | jq -r '.[].trace_id'
    """
    letters = _chosen(context.settings(), Options(**options))
    if as_json:
        rows = [tuple(getattr(each, name) for name in COLUMNS) for each in letters]
        print_json(to_objects(ResultSet(columns=COLUMNS, rows=rows)), indent=2)
    elif letters:
        print_dead_letters(letters, console=open_console())
    else:
        context.note("No open dead letters.")


@dead_letters.command()
@click.argument("task_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@common_options
@pass_context
def show(context: Context, *, task_id: str, as_json: bool) -> None:
    """Show every column of one dead letter, open or settled, and its remedy.

    \b
    Example:
      task-audit dead-letters show 1534087020903704704
    """
    with open_warehouse(context.settings().warehouse, read_only=True) as warehouse:
        letter = letter_of(warehouse.engine, task_id)
    shown = asdict(letter) | {"decision": letter.decision, "remedy": advice_on(letter.reason)}
    if as_json:
        print_json(shown)
    else:
        print_object(shown, console=open_console())


@dead_letters.command()
@choice_options
@click.option("--all", "everything", is_flag=True, help="All open dead letters.")
@common_options
@pass_context
def retry(context: Context, /, *, everything: bool, as_json: bool, **options: Any) -> None:
    """Let the next run try tasks again, as if they had never failed; safe to repeat.

    A dead letter stays open until its task is audited.

    \b
    Example:
      task-audit dead-letters retry 1534087020903704704
      task-audit dead-letters retry --reason exhausted --reason bad_payload
    """
    settings = context.settings()
    task_ids = _ids(settings, Options(**options), everything=everything)
    # The warehouse comes first: after a crash between the two, repeating the command completes it.
    with open_warehouse(settings.warehouse) as warehouse:
        begin_again(warehouse.engine, task_ids)
    if settings.source.mode == "queue":
        with open_queue(settings.source) as (engine, table):
            requeue(engine, table, task_ids)
    renew_read_copy(settings)
    _print_result("retried", task_ids, "will be tried again by the next run", as_json=as_json)


@dead_letters.command("discard")
@choice_options
@click.option("--all", "everything", is_flag=True, help="All open dead letters.")
@common_options
@pass_context
def discard_(context: Context, /, *, everything: bool, as_json: bool, **options: Any) -> None:
    """Discard tasks: they count as settled, and no run asks about them again. Nothing is deleted.

    \b
    Example:
      task-audit dead-letters discard --reason invalid_id --older-than 30d
    """
    settings = context.settings()
    task_ids = _ids(settings, Options(**options), everything=everything)
    # The queue comes first: after a crash between the two, the dead letters are still open for another try.
    if settings.source.mode == "queue":
        with open_queue(settings.source) as (engine, table):
            withdraw(engine, table, task_ids, now=clock_of(engine)())
    with open_warehouse(settings.warehouse) as warehouse:
        discard(warehouse.engine, task_ids, now=clock_of(warehouse.engine)())
    renew_read_copy(settings)
    _print_result("discarded", task_ids, "discarded", as_json=as_json)


def _chosen(settings: Settings, options: Options) -> list[DeadLetter]:
    with open_warehouse(settings.warehouse, read_only=True) as warehouse:
        return open_letters(warehouse.engine, options.choice(now=clock_of(warehouse.engine)()))


def _ids(settings: Settings, options: Options, *, everything: bool) -> list[str]:
    if everything != options.choose_nothing:
        raise InputError(
            "--all leaves nothing to choose." if everything else "No dead letter is chosen.",
            code=Code.USAGE,
            remedy="Give task IDs, --reason, --older-than or --newer-than; or --all alone.",
        )
    return [letter.task_id for letter in _chosen(settings, options)]


def _print_result(done: str, task_ids: list[str], words: str, *, as_json: bool) -> None:
    if as_json:
        print_json({done: task_ids})
    else:
        click.echo(f"{len(task_ids):,} {words}.")

"""The options that several commands share: a range of time, and the tasks of a run."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from etl.cli.types import RangeBound, ShardOf
from etl.settings.model import SourceSettings
from etl.tasks import Shard

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


SELECTION_OPTIONS = (
    click.option("--limit", type=click.IntRange(min=1), help="Ask about at most this many tasks, new ones first."),
    click.option("--refetch", is_flag=True, help="Also ask again about tasks that were audited before."),
    click.option("--recheck", is_flag=True, help="Also ask now about open tasks that are due again later."),
    click.option(
        "--shard",
        type=ShardOf(),
        help="Only this part of the tasks, if the source is read only: 0/4 to 3/4, or /4 in an Indexed Job.",
    ),
)


def range_options(*, since: str, until: str) -> Callable[[Decorated], Decorated]:
    """Give a command ``--since`` and ``--until``, and refuse a range that ends before it starts.

    Args:
        since: the help text of ``--since``.
        until: the help text of ``--until``.
    """

    def decorate(command: Decorated) -> Decorated:
        command = click.option("--until", type=RangeBound(is_end=True), help=until)(command)
        # Click reads an eager option first in any order of the command line, and --until is compared with it.
        return click.option("--since", type=RangeBound(is_end=False), is_eager=True, help=since)(command)

    return decorate


def selection_options(command: Decorated) -> Decorated:
    """Give a command the options that select the tasks of a run."""
    for option in reversed(SELECTION_OPTIONS):
        command = option(command)
    with_range = range_options(
        since="Submitted from this date or instant (UTC) on.",
        until="Submitted by the end of this date, or before this instant.",
    )
    return with_range(command)


def require_shards(shard: Shard | None, source: SourceSettings) -> None:
    """Refuse a shard of the job's own queue, which all runs share."""
    if shard and source.mode == "queue":
        raise click.UsageError("--shard is for source.mode = 'read_only'; runs on the job's own queue share all of it.")

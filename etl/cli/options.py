"""The options that say which tasks are meant, of the commands that run and plan."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from etl.cli.types import RangeBound, ShardOf
from etl.settings.model import SourceSettings
from etl.tasks import Shard

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


OPTIONS = (
    # First, whatever the order on the command line: the end is compared with it.
    click.option(
        "--since", type=RangeBound(is_end=False), is_eager=True, help="Submitted from this date or instant (UTC) on."
    ),
    click.option(
        "--until", type=RangeBound(is_end=True), help="Submitted by the end of this date, or before this instant."
    ),
    click.option("--limit", type=click.IntRange(min=1), help="Ask about at most so many tasks, oldest first."),
    click.option("--refetch", is_flag=True, help="Also ask again about tasks that were audited before."),
    click.option(
        "--shard",
        type=ShardOf(),
        help="Only this part of the tasks, where the source is read only: 0/4 to 3/4, or /4 in an Indexed Job.",
    ),
)


def selection_options(command: Decorated) -> Decorated:
    """Give a command the options."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def require_shards(shard: Shard | None, source: SourceSettings) -> None:
    """Refuse a part of a queue that all runs share."""
    if shard and source.mode == "queue":
        raise click.UsageError("--shard is for source.mode = 'read_only'; runs on the job's own queue share all of it.")

"""`task-audit prune`: deletes what may go after a while."""

from dataclasses import asdict
from datetime import timedelta

import click

from etl.cli.context import Context, common_options, pass_context
from etl.cli.output import print_json
from etl.cli.types import Duration
from etl.jobs.prune import Part, Pruned, possible_parts, prune_parts
from etl.jobs.read_copy import renew_read_copy

LEAST_AGE = timedelta(days=1)
"""What is younger may belong to a night that is not over."""

WORDS = {
    Part.QUEUE: "done tasks in the pending table",
    Part.COUNTERS: "counters of runs",
    Part.MESSAGES: "sent messages",
    Part.ARCHIVE: "files of the archive",
}

WHY_NOT = {
    Part.QUEUE: "the pending table is your own (source.mode is read_only)",
    Part.ARCHIVE: "there is no archive in a folder; a bucket has lifecycle rules for this",
}


@click.command()
@click.option("--older-than", type=Duration(), required=True, help="The least age of what may go, such as 90d.")
@click.option(
    "--only",
    type=click.Choice([str(part) for part in Part]),
    multiple=True,
    help="Only this part; may be repeated. Without it: all parts.",
)
@click.option("--yes", is_flag=True, help="Delete. Without it, the command only counts.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@common_options
@pass_context
def prune(context: Context, *, older_than: timedelta, only: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Delete old rows and files that no question needs: done tasks of the queue, counters, sent messages, the archive.

    Facts, their history, dead letters and the rows of runs stay for ever. A done task stays, too, if the warehouse has
    no finished fact about it. Without --yes, nothing is deleted.

    \b
    Example:
      task-audit prune --older-than 90d
      task-audit prune --older-than 90d --only queue --only counters --yes
    """
    if older_than < LEAST_AGE:
        raise click.UsageError("--older-than is at least 1d: what is younger may belong to a night that is not over.")
    settings = context.settings()
    possible = possible_parts(settings)
    wanted = {Part(each) for each in only} or possible
    for part in sorted(wanted - possible):
        raise click.UsageError(f"--only {part} has nothing to prune: {WHY_NOT[part]}.")
    pruned = prune_parts(settings, wanted, older_than=older_than, dry_run=not yes)
    if yes:
        renew_read_copy(settings)
    if as_json:
        print_json(asdict(pruned))
    else:
        _print(pruned)


def _print(pruned: Pruned) -> None:
    will = "would go" if pruned.dry_run else "deleted"
    for part, words in WORDS.items():
        number: int | None = getattr(pruned, part)
        if number is not None:
            click.echo(f"{number:>12,} {words} {will}")
    if pruned.queue_kept:
        click.echo(f"{pruned.queue_kept:>12,} done tasks stay: the warehouse has no finished fact about them")
    before = f"{pruned.before:%Y-%m-%d %H:%M} UTC"
    hint = " Give --yes to delete it." if pruned.dry_run else ""
    click.echo(f"This is what is older than {before}.{hint}", err=True)

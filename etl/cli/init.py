"""`task-audit init`: creates or upgrades the pending table and the warehouse."""

import click

from etl.cli.context import Context, common_options, pass_context
from etl.jobs.opening import initialize
from etl.jobs.read_copy import renew_read_copy

SINCE_OPEN = ", since PUBLIC may create objects in it; `task-audit doctor` has the remedy."


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
    settings = context.settings()
    upgrades = initialize(settings)
    renew_read_copy(settings)
    for done in upgrades:
        name = done.name[0].upper() + done.name[1:]
        if done.before == done.after:
            click.echo(f"{name}: version {done.after}, nothing to do.")
        elif done.before is None:
            click.echo(f"{name}: created, version {done.after}.")
        else:
            click.echo(f"{name}: upgraded from version {done.before} to {done.after}.")
        for schema in done.left_out:
            context.note(f"{name}: the job does not search the schema {schema}{SINCE_OPEN}")

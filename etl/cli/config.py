"""`task-audit config`: what is configured."""

import click
import msgspec

from etl.cli.context import Context, common_options, pass_context


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

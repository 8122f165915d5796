"""`task-audit config`: shows the configuration, or writes a first one."""

import sys
from pathlib import Path

import click

from etl.cli.context import Context, common_options, pass_context
from etl.cli.output import print_data, print_json
from etl.error_codes import Code
from etl.errors import InputError
from etl.settings.checks import SOURCE_ENGINES, WAREHOUSE_ENGINES
from etl.settings.write import SECRET_FILES, Choices, configuration_file, next_steps

FILE = Path("task-audit.toml")

SOURCE = click.Choice(SOURCE_ENGINES)
WAREHOUSE = click.Choice(WAREHOUSE_ENGINES)
AUTH = click.Choice(tuple(SECRET_FILES))


@click.group()
def config() -> None:
    """Show the configuration, or write a first one."""


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
        print_json(values)
        return
    width = max(len(f"{row.key} = {row.value}") for row in rows)
    section = None
    for row in rows:
        if row.section != section:
            print_data(f"{'' if section is None else chr(10)}[{row.section}]\n")
            section = row.section
        print_data(f"{f'{row.key} = {row.value}':<{width}}  # {row.origin}\n")


@config.command("new")
@click.option("--source", type=SOURCE, help="Engine of the pending database; sqlite by default.")
@click.option("--read-only", is_flag=True, help="The pending tasks are in a table or view of your own.")
@click.option("--warehouse", type=WAREHOUSE, help="Engine of the warehouse; duckdb by default.")
@click.option(
    "--auth",
    type=AUTH,
    help="token: a bearer token; session, carrier: one that renews itself; command: one that a command prints; "
    "app: AppId and AppSecret. token by default.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write this file instead of standard output."
)
@click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
@common_options
def new(
    *, source: str | None, read_only: bool, warehouse: str | None, auth: str | None, out: Path | None, force: bool
) -> None:
    """Write a configuration with every key and its meaning, and print the next steps.

    Without options, the command asks for them on a terminal. The file holds no secret: it names files for secrets.

    \b
    Example:
      task-audit config new
      task-audit config new --source postgresql --warehouse postgresql --auth app --out production.toml
      task-audit config new --read-only --source mysql > audit.toml
    """
    if not (source or read_only or warehouse or auth) and sys.stdin.isatty():
        source = click.prompt("Engine of the pending database", type=SOURCE, default="sqlite", err=True)
        read_only = click.confirm("Are the pending tasks in a table of your own?", err=True)
        warehouse = click.prompt("Engine of the warehouse", type=WAREHOUSE, default="duckdb", err=True)
        auth = click.prompt("How KooDrive knows you", type=AUTH, default="token", err=True)
        out = out or click.prompt("File to write", type=click.Path(path_type=Path), default=FILE, err=True)
    choices = Choices(
        source=source or "sqlite",
        read_only=read_only,
        warehouse=warehouse or "duckdb",
        auth=auth or "token",
        secrets=(out.parent if out else Path()).absolute() / "secrets",
    )
    written = configuration_file(choices.values)
    if out is None:
        click.echo(written, nl=False)
    else:
        _write(out, written, force=force)
    for number, step in enumerate(next_steps(choices, str(out or "FILE")), 1):
        click.echo(f"{number}. {step.sentence}", err=True)
        for command in step.commands:
            click.echo(f"     {command}", err=True)


def _write(file: Path, text: str, *, force: bool) -> None:
    try:
        with file.open("w" if force else "x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        raise InputError(
            f"{file} already exists.",
            code=Code.FILE_UNWRITABLE,
            remedy="Name another file, or overwrite it with --force.",
        ) from None
    except OSError as error:
        raise InputError(
            f"Cannot write {file}: {error.strerror}.", code=Code.FILE_UNWRITABLE, remedy="Check the folder."
        ) from None

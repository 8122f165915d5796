"""`task-audit explain`: explains an error code."""

import sys

import click
from rich.console import Console
from rich.markdown import Markdown

from etl.cli.output import open_console
from etl.error_codes import Code
from etl.report.result_set import print_table
from etl.resources import page_of
from etl.warehouse.read.questions import ResultSet

PAGE_WIDTH = 100


@click.command()
@click.argument("code", required=False, type=click.Choice([str(code) for code in Code]), metavar="[CODE]")
def explain(*, code: str | None) -> None:
    """Explain an error and its remedy; without a code, list all codes.

    An error message has its code in brackets. The command needs no network and no configuration.

    \b
    Example:
      task-audit explain
      task-audit explain database-unavailable
    """
    if code is None:
        rows = [(str(each), int(each.exit_code), each.sentence) for each in Code]
        print_table(ResultSet(columns=("code", "exit code", "what it means"), rows=rows), console=open_console())
    elif sys.stdout.isatty():
        console = Console()
        console.print(Markdown(page_of(Code(code))), width=min(console.width, PAGE_WIDTH))
    else:
        click.echo(page_of(Code(code)), nl=False)

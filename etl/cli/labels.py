"""`task-audit labels`: exports and imports explanations of result codes and task types, and names of tenants."""

from typing import BinaryIO, cast

import click

from etl.cli.context import Context, common_options, pass_context
from etl.cli.output import print_data
from etl.jobs.opening import open_warehouse
from etl.jobs.read_copy import renew_read_copy
from etl.receivers import for_terminal
from etl.warehouse.read.label_file import read_labels, write_labels
from etl.warehouse.read.labels import export_labels, import_labels

UNMET_SHOWN = 5


@click.group()
def labels() -> None:
    """Explain result codes and task types, and name tenants, in a CSV file."""


@labels.command("import")
@click.argument("path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@common_options
@pass_context
def import_(context: Context, *, path: str) -> None:
    """Import titles, categories and actions from a CSV file; a wrong file changes nothing.

    A row with empty cells makes its code unexplained again. A code without a row keeps its explanation.

    \b
    Example:
      task-audit labels import configs/labels.csv
    """
    with click.open_file(path, "rb") as file:
        given = read_labels(cast("BinaryIO", file), "standard input" if path == "-" else path)
    settings = context.settings()
    with open_warehouse(settings.warehouse) as warehouse:
        done = import_labels(warehouse.engine, given)
    renew_read_copy(settings)
    click.echo(f"{done.labelled:,} imported, {len(done.unmet):,} of codes that no run has met yet.")
    if done.unmet:
        codes = ", ".join(label.code for label in done.unmet[:UNMET_SHOWN])
        more = ", …" if len(done.unmet) > UNMET_SHOWN else ""
        context.note(f"Import the file again when a run has met them: {for_terminal(codes)}{more}")


@labels.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "csv-excel"]),
    default="csv",
    show_default=True,
    help="CSV for an editor, or CSV that keeps codes and other scripts when Excel or LibreOffice opens it.",
)
@common_options
@pass_context
def export(context: Context, *, form: str) -> None:
    """Write a file to fill in and import again; codes without an explanation come first.

    \b
    Example:
      task-audit labels export > configs/labels.csv
      task-audit labels export --format csv-excel > labels.csv
    """
    with open_warehouse(context.settings().warehouse, read_only=True) as warehouse:
        print_data(write_labels(export_labels(warehouse.engine), for_excel=form == "csv-excel"))

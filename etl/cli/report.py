"""`task-audit report`: renders a night, a run or a period as one HTML file."""

from datetime import datetime
from pathlib import Path

import click

from etl.cli.context import Context, common_options, pass_context
from etl.cli.options import range_options
from etl.cli.output import print_data
from etl.error_codes import Code
from etl.errors import InputError
from etl.report.contents import read_report
from etl.report.page import render


@click.command()
@click.option("--run", "run_id", metavar="ID", help="Report one run instead of the last night.")
@range_options(
    since="Report a period instead, from this date or instant (UTC).",
    until="The period's last date, or the instant before which it ends.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The file to write; by default stdout.")
@common_options
@pass_context
def report(
    context: Context, *, run_id: str | None, since: datetime | None, until: datetime | None, out: Path | None
) -> None:
    """Make one self-contained HTML file of the last night, to read, mail or print.

    A night lasts from 18:00 to 18:00 in the time zone of the warehouse, and the last one is that of the newest run. The
    report has all runs of the night, and counts each task once, although several runs may have seen it.

    \b
    Example:
      task-audit report --out last-night.html
      task-audit report --since 2026-11-01 --until 2026-11-07 > week.html
    """
    if run_id and (since or until):
        raise click.UsageError("--run and a period exclude each other.")
    page = render(read_report(context.settings(), run_id=run_id, since=since, until=until))
    if out is None:
        print_data(page)
        return
    try:
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"Cannot write {out}: {error.strerror}.",
            code=Code.FILE_UNWRITABLE,
            remedy="Check the folder and its rights.",
        ) from None
    context.note(f"{out}: {len(page.encode()) / 1000:,.0f} kB")

"""`task-audit export`: hands the warehouse on as Parquet files."""

from dataclasses import asdict
from datetime import datetime, timedelta

import click

from etl.cli.context import Context, common_options, pass_context
from etl.cli.options import range_options
from etl.cli.output import print_json
from etl.export.plan import Range
from etl.jobs.export import TABLES, export_warehouse
from etl.jobs.export.content import Exported, ExportRequest
from etl.settings.checks import check_location


def _location(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    try:
        return check_location(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} {error}.") from None


@click.command()
@click.option(
    "--out",
    metavar="DIR|s3://…",
    required=True,
    callback=_location,
    help="A folder, or a prefix of a bucket (s3://bucket/prefix): empty, or that of an earlier export.",
)
@click.option("--full", is_flag=True, help="Write every day again, also those that have not changed.")
@range_options(
    since="Only days from this one (UTC) on: of submission for facts, of its own time for any other table.",
    until="Only days up to this one; the other days stay as they are.",
)
@click.option(
    "--table",
    "tables",
    type=click.Choice(TABLES),
    multiple=True,
    help="Only this table; may be repeated. The others stay as they are.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@common_options
@pass_context
def export(
    context: Context,
    *,
    out: str,
    full: bool,
    since: datetime | None,
    until: datetime | None,
    tables: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write the warehouse as Parquet files with a manifest, into a folder or a bucket; only what changed.

    The file manifest.json names the files that belong together. It is replaced last and as a whole, so that a reader
    never sees a half export, and an export that was killed may be repeated. The files hold the names of people, as the
    warehouse does.

    \b
    Example:
      task-audit export --out /srv/export
      task-audit export --out s3://analytics/task-audit --since 2026-11-01
    """
    # An instant stands for its whole day, since a day is what is written again.
    first = since.date() if since else None
    last = (until - timedelta(microseconds=1)).date() if until else None
    request = ExportRequest(out=out, full=full, days=Range(first=first, last=last), tables=tables)
    exported = export_warehouse(context.settings(), request)
    if as_json:
        print_json(asdict(exported))
    else:
        _print(exported)


def _print(exported: Exported) -> None:
    for count in exported.tables:
        written = f"{count.written_rows:,} in {count.written_days:,} {'day' if count.written_days == 1 else 'days'}"
        news = f"wrote {written}" if count.written_days else "unchanged"
        click.echo(f"{count.rows:>12,} rows of {count.table} ({news})")
    click.echo(f"{exported.bytes / 1000:>12,.0f} kB in new files, {exported.deleted_files:,} old files deleted")
    click.echo(f"The manifest is {exported.out}/manifest.json, of {exported.exported_at:%Y-%m-%d %H:%M} UTC", err=True)

"""`task-audit demo`: runs the whole job without a configuration."""

import shlex
import shutil
import sys
from pathlib import Path

import click
from rich.console import Console

from etl.cli.context import Context, common_options, pass_context
from etl.cli.foreground import run_async, run_until_stopped, watch_progress
from etl.cli.output import open_console
from etl.error_codes import Code
from etl.errors import ConfigurationError
from etl.jobs.demo import Demo, ask_the_analysts_question, explain_codes, prepared
from etl.observe.logs import configure_logs
from etl.report.contents import read_report
from etl.report.page import render
from etl.report.result_set import print_table
from etl.report.summary import print_summary
from etl.runs import RunRequest


@click.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("task-audit-demo"),
    show_default=True,
    help="The folder for the pending table and the warehouse.",
)
@click.option("--seed", type=int, default=0, help="Another seed invents other tasks.")
@common_options
@pass_context
def demo(context: Context, *, folder: Path, seed: int) -> None:
    """Run the whole job once on embedded parts: no configuration, no network.

    It starts a stand-in API on a free port of this machine, fills a pending table, audits it into a warehouse, asks the
    warehouse one question, and writes the report of the night.

    \b
    Example:
      task-audit demo
    """
    configure_logs(context.log_format or "auto", verbose=bool(context.verbose))
    console = Console(stderr=True)
    with prepared(folder, seed=seed) as parts:
        console.print(
            f"[bold]1.[/] A stand-in KooDrive API listens on {parts.settings.api.base_url}.\n"
            f"[bold]2.[/] {parts.new_tasks:,} pending tasks are in {parts.pending_file} (SQLite).\n"
            f"[bold]3.[/] `task-audit run`, {parts.settings.api.max_rate:g} requests per second at most, "
            f"audits them into\n"
            f"   {parts.warehouse_file} (DuckDB).",
            highlight=False,
        )
        progress = watch_progress if sys.stderr.isatty() else None
        finished = run_async(run_until_stopped(parts.settings, RunRequest(), seconds=None, progress=progress))
    print_summary(finished, console=console, dry_run=False)
    explain_codes(parts)
    _answer(parts)
    say_what_is_next(parts, folder, has_report=_write_report(parts))
    sys.exit(finished.run.exit_code)


def _answer(parts: Demo) -> None:
    question, answer = ask_the_analysts_question(parts)
    console = open_console()
    console.print(
        "\n[bold]4.[/] With invented labels for the result codes, an analyst asks the warehouse:\n", highlight=False
    )
    console.print(question.strip(), style="cyan", markup=False, highlight=False)
    console.print()
    print_table(answer, console=console)


def _write_report(parts: Demo) -> bool:
    """Write the report of the night; False without the extra that draws it."""
    try:
        parts.report_file.write_text(render(read_report(parts.settings)), encoding="utf-8")
    except ConfigurationError as error:
        if error.code is not Code.EXTRA_MISSING:
            raise
        return False
    return True


def say_what_is_next(parts: Demo, folder: Path, *, has_report: bool) -> None:
    """Print where the files are, and the commands to go on with."""
    activate = Path(sys.executable).with_name("activate")
    enter = f"cd {shlex.quote(str(folder))}"
    if not shutil.which("task-audit") and activate.exists():
        enter = f". {shlex.quote(_from_here(activate))} && {enter}"
    report = parts.report_file if has_report else "needs the extra report: pip install 'koodrive-task-audit[report]'"
    console = open_console()
    for heading, lines in (
        (
            "\n[bold]5.[/] Look around:",
            [
                f"pending table  {parts.pending_file}",
                f"warehouse      {parts.warehouse_file}",
                f"report         {report}",
            ],
        ),
        ("\n[bold]6.[/] Ask more:", [enter, "task-audit query last_nights_failures", "task-audit status"]),
    ):
        console.print(heading, highlight=False)
        # A path and the name of an extra may have brackets.
        console.print("\n".join(f"   {line}" for line in lines), markup=False, highlight=False, soft_wrap=True)


def _from_here(file: Path) -> str:
    here = Path.cwd()
    return str(file.relative_to(here) if file.is_relative_to(here) else file)

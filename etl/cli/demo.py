"""`task-audit demo`: runs the whole job without a configuration."""

import asyncio
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from etl.cli.context import Context, common_options, pass_context
from etl.cli.foreground import run_until_stopped, watch_progress
from etl.jobs.demo import Demo, ask_the_analysts_question, prepared
from etl.observe.logs import configure_logs
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

    It starts a stand-in API on a free port of this machine, fills a pending table, audits it into a warehouse, and asks
    the warehouse one question.

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
        finished = asyncio.run(run_until_stopped(parts.settings, RunRequest(), seconds=None, progress=progress))
    print_summary(finished, console=console, dry_run=False)
    _answer(parts)
    sys.exit(finished.run.exit_code)


def _answer(parts: Demo) -> None:
    question, columns, rows = ask_the_analysts_question(parts)
    console = Console()
    console.print("\n[bold]4.[/] An analyst asks the warehouse:\n", highlight=False)
    console.print(question.strip(), style="cyan", markup=False, highlight=False)
    answer = Table(box=None, header_style="dim", pad_edge=False)
    for column in columns:
        answer.add_column(column)
    for row in rows:
        answer.add_row(*("" if value is None else str(value) for value in row))
    console.print()
    console.print(answer)
    console.print(
        f"\n[bold]5.[/] Look around:\n"
        f"   pending table  {parts.pending_file}\n"
        f"   warehouse      {parts.warehouse_file}\n"
        f"   tables         fact_task_status, fact_task_status_change, dead_letter, …\n"
        f"   views          v_task_status, v_daily_outcomes, v_stuck_tasks, …",
        highlight=False,
        soft_wrap=True,
    )

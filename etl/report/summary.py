"""Prints the end of a run in a few lines."""

from rich.console import Console
from rich.table import Table

from etl.exit_codes import ExitCode, Grade
from etl.receivers import for_terminal
from etl.runs import AuditRun, FinishedRun

STYLES: dict[Grade, str] = {"good": "green", "fair": "yellow", "bad": "red"}


def print_summary(finished: FinishedRun, *, console: Console, dry_run: bool) -> None:
    """Print the outcome of a run, the error that ended it, and its numbers."""
    run = finished.run
    exit_code = ExitCode(run.exit_code or 0)
    console.print(exit_code.headline, style=STYLES[exit_code.grade])
    if finished.ended_by:
        console.print(for_terminal(str(finished.ended_by)), style="red", markup=False, highlight=False)
        if finished.ended_by.quote:
            console.print(f"It says: {for_terminal(finished.ended_by.quote)}", markup=False, highlight=False)
        console.print(f"Help: task-audit explain {finished.ended_by.code}", markup=False, highlight=False)
    numbers = Table.grid(padding=(0, 2))
    for name, value in _lines(run, dry_run=dry_run):
        numbers.add_row(name, value)
    if finished.waiting is not None and finished.waiting.tasks:
        numbers.add_row("due later", str(finished.waiting))
    console.print(numbers)


def _lines(run: AuditRun, *, dry_run: bool) -> list[tuple[str, str]]:
    rate = f", {run.requests_per_second:,.0f} per second" if run.seconds else ""
    written = "would be written" if dry_run else f"{run.changed:,} new or changed, {run.unchanged:,} as before"
    return [
        ("run", f"{run.run_id}  exit {run.exit_code} ({run.outcome})"),
        ("claimed", f"{run.claimed:,}"),
        ("audited", f"{run.audited:,}  ({written}; {run.still_open:,} still open)"),
        ("dead letters", f"{run.dead_lettered:,}"),
        ("given back", f"{run.released:,}"),
        ("requests", f"{run.requests:,}  ({run.retries:,} retries, {run.throttled:,} throttled{rate})"),
        ("took", f"{run.seconds:,.1f} s"),
    ]

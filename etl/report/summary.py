"""The end of a run in a few lines."""

from rich.console import Console
from rich.table import Table

from etl.exit_codes import ExitCode, Grade
from etl.report.control_characters import escape_control
from etl.runs import AuditRun

STYLES: dict[Grade, str] = {"good": "green", "fair": "yellow", "bad": "red"}


def print_summary(run: AuditRun, *, console: Console, dry_run: bool) -> None:
    """Say how a run ended, and its numbers."""
    exit_code = ExitCode(run.exit_code or 0)
    console.print(exit_code.headline, style=STYLES[exit_code.grade])
    if run.error:
        console.print(escape_control(run.error), style="red", markup=False, highlight=False)
        # In front of its sentence stands the code.
        code, _, _ = run.error.removeprefix("[").partition("]")
        console.print(f"Help: task-audit explain {code}", markup=False, highlight=False)
    numbers = Table.grid(padding=(0, 2))
    for name, value in _lines(run, dry_run=dry_run):
        numbers.add_row(name, value)
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

"""The end of a run in a few lines."""

from datetime import datetime

from rich.console import Console
from rich.table import Table

from etl.errors import ExitCode
from etl.report.control_characters import escape_control
from etl.runs import AuditRun

HEADLINES: dict[int, str] = {
    ExitCode.OK: "[green]Everything due was audited.",
    ExitCode.DEAD_LETTERS: "[yellow]Finished, but some tasks could not be audited: see `task-audit status`.",
    ExitCode.STOPPED: "[yellow]Stopped early and cleanly; what is left is still pending.",
    ExitCode.UNAVAILABLE: "[red]Something the job depends on is unavailable; nothing is lost.",
    ExitCode.CREDENTIALS: "[red]The API refuses the credentials; no task has lost its place.",
    ExitCode.CONFIGURATION: "[red]The configuration is wrong.",
    ExitCode.BUG: "[red]This is a bug; please report it.",
}


def print_summary(run: AuditRun, *, console: Console, dry_run: bool) -> None:
    """Say how a run ended, and its numbers."""
    console.print(HEADLINES[run.exit_code or 0])
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
    seconds = _seconds(run.started_at, run.finished_at)
    rate = f", {run.requests / seconds:,.0f} per second" if seconds else ""
    written = "would be written" if dry_run else f"{run.changed:,} new or changed, {run.unchanged:,} as before"
    return [
        ("run", f"{run.run_id}  exit {run.exit_code} ({run.outcome})"),
        ("claimed", f"{run.claimed:,}"),
        ("audited", f"{run.audited:,}  ({written}; {run.still_open:,} still open)"),
        ("dead letters", f"{run.dead_lettered:,}"),
        ("given back", f"{run.released:,}"),
        ("requests", f"{run.requests:,}  ({run.retries:,} retries, {run.throttled:,} throttled{rate})"),
        ("took", f"{seconds:,.1f} s"),
    ]


def _seconds(start: datetime, end: datetime | None) -> float:
    return (end - start).total_seconds() if end else 0.0

"""Renders the status of the queue and the warehouse, for a person."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from rich.console import Console

from etl.receivers import for_terminal
from etl.report.table import print_rows
from etl.runs import AuditRun
from etl.source.overview import StateOverview
from etl.tasks import WaitingTasks
from etl.warehouse.read.dead_letters import DeadLetter
from etl.warehouse.read.labels import Unexplained
from etl.warehouse.read.overview import DeadLetters

RUN_COLUMNS = {
    "started_at": "started",
    "outcome": "outcome",
    "claimed": "claimed",
    "audited": "audited",
    "still_open": "open",
    "dead_lettered": "dead",
    "released": "given back",
}
BACKLOG_COLUMNS = {
    "state": "state",
    "tasks": "tasks",
    "leased": "leased",
    "under_a_day": "< 1 day",
    "under_a_week": "< 7 days",
    "older": "older",
    "oldest_submitted_at": "oldest",
}
LISTED_COLUMNS = {
    "task_id": "task_id",
    "reason": "reason",
    "last_failed_at": "last failed",
    "decision": "decision",
    "http_status": "HTTP",
    "error_code": "code",
}
"""The columns of a list of dead letters, as many as a terminal of 80 columns can show."""
DEAD_LETTER_COLUMNS = {
    "reason": "reason",
    "tasks": "tasks",
    "retried": "try again",
    "oldest_failed_at": "oldest",
    "newest_failed_at": "newest",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Everything that `task-audit status` shows."""

    backlog: Sequence[StateOverview] | None
    """The states of the pending table; None if the table is the user's own."""
    waiting: WaitingTasks | None
    """The open tasks that are due again later; None if the pending table is the user's own."""
    dead_letters: Sequence[DeadLetters]
    runs: Sequence[AuditRun]
    unexplained: Unexplained
    unsent: int
    """The messages that the webhook has not accepted yet."""


def print_status(status: Status, *, console: Console) -> None:
    """Print the status as tables."""
    if status.backlog is None:
        console.print("The pending table is your own (read_only): what is pending follows from the facts.\n")
    else:
        _print_rows("Pending table", BACKLOG_COLUMNS, status.backlog, console=console)
    if status.waiting is not None and status.waiting.tasks:
        console.print(f"Due later: {status.waiting} (`task-audit run --recheck` asks now)\n", highlight=False)
    _print_rows("Open dead letters", DEAD_LETTER_COLUMNS, status.dead_letters, console=console)
    _print_rows("Last runs", RUN_COLUMNS, status.runs, console=console)
    unexplained = asdict(status.unexplained)
    if any(unexplained.values()):
        words = ", ".join(f"{name.replace('_', ' ')} ({number:,})" for name, number in unexplained.items() if number)
        console.print(f"Not explained yet: {words}; `task-audit query unexplained_codes` lists them", highlight=False)
    if status.unsent:
        console.print(f"Not accepted by the webhook: {status.unsent:,} (`task-audit notify`)", highlight=False)


def print_dead_letters(letters: Sequence[DeadLetter], *, console: Console) -> None:
    """Print a list of dead letters."""
    _print_columns(LISTED_COLUMNS, letters, console=console)


def _print_rows(
    title: str, columns: dict[str, str], rows: Sequence[StateOverview | DeadLetters | AuditRun], *, console: Console
) -> None:
    if rows:
        _print_columns(columns, rows, console=console, title=title)
        console.print()
    else:
        console.print(f"[bold]{title}[/bold]: none\n")


def _print_columns(columns: dict[str, str], rows: Sequence[object], *, console: Console, title: str = "") -> None:
    values = [[getattr(row, name) for name in columns] for row in rows]
    print_rows(list(columns.values()), values, console=console, show=_shown, title=title)


def _shown(value: object) -> str:
    match value:
        case None:
            return "-"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M}"
        case int():
            return f"{value:,}"
        case _:
            return for_terminal(str(value))

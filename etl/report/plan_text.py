"""Renders a plan for a person: the pending tasks by day, and the calls and the time that they take."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from etl.jobs.forecast import Forecast
from etl.jobs.plan import Plan
from etl.report.table import print_rows
from etl.source.backlog_by_day import DayCounts

COLUMNS = {
    "new": "new",
    "still_open": "still open",
    "failed_before": "failed before",
    "again": "again",
    "held": "held",
    "later": "later",
}

SECONDS_SHOWN = 59.5
"""A duration below this is shown in whole seconds, at most 59."""


def print_plan(plan: Plan, *, console: Console) -> None:
    """Print the days, the calls, the time, and the rows that the run would write."""
    _print_days(plan.days, console=console)
    allowed, reached = plan.at_allowed_rate, plan.at_reached_rate
    lines = Table.grid(padding=(0, 2))
    if plan.waiting is not None and plan.waiting.tasks:
        lines.add_row("due later", str(plan.waiting))
    lines.add_row("calls", f"{allowed.requests:,}, with retries {allowed.requests_at_most:,} at most")
    lines.add_row("time", _time(allowed, "as allowed"))
    if reached:
        lines.add_row("", _time(reached, "as the last healthy runs"))
    if plan.deadline_seconds is not None:
        fits = "enough" if plan.fits else "not enough: the rest stays pending for the next run"
        lines.add_row("deadline", f"{_duration(plan.deadline_seconds)} after the start: {fits}")
    archived = ", and the answers into the archive" if plan.archives else ""
    lines.add_row("written", f"{plan.facts_at_most:,} facts at most, and the row of the run{archived}")
    console.print(lines, highlight=False)


def _print_days(days: Sequence[DayCounts], *, console: Console) -> None:
    if not days:
        console.print("Nothing is pending.\n")
        return
    shown = [name for name in COLUMNS if any(getattr(day, name) for day in days)]
    rows = [(day.day or "unknown", day.due, *(getattr(day, name) for name in shown)) for day in days]
    totals = ("all", *(sum(numbers) for numbers in list(zip(*rows, strict=True))[1:]))
    headings = ["submitted on", "due", *(COLUMNS[name] for name in shown)]
    print_rows(headings, [*rows, totals], console=console, show=_shown)
    console.print()


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _time(forecast: Forecast, words: str) -> str:
    until = f"{forecast.ends_at:%Y-%m-%dT%H:%MZ}"
    return f"{_duration(forecast.seconds)} at {forecast.rate:,.1f}/s ({words}), until {until}"


def _duration(seconds: float) -> str:
    return f"{seconds / 60:,.1f} min" if seconds >= SECONDS_SHOWN else f"{seconds:.0f} s"

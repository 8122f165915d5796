"""The report of a run or a period as one HTML file: no script, no outside resource, every word from outside escaped."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from etl.errors import Code, ConfigurationError
from etl.exit_codes import ExitCode, Grade
from etl.failure_reasons import advice_on

TEMPLATE = "page.html"

MAX_RUNS_DRAWN = 60
"""The newest."""

MINUTES_FROM = 120
"""Seconds of the longest run."""

Rows = Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that the page tells."""

    start: datetime
    end: datetime
    run: dict[str, Any] | None
    """The run that it is about; None where it is about a period."""
    days: Rows
    failures: Rows
    runs: Rows
    reasons: Rows
    letters: Rows
    backlog: Sequence[tuple[str, int]] | None
    """Pending tasks by age; None where the pending table is the user's own."""
    made_at: datetime
    version: str

    @property
    def title(self) -> str:
        """The period in words: whole days as the dates that were asked for."""
        midnight = datetime.min.time()
        if self.start.time() == self.end.time() == midnight:
            first, last = self.start.date(), (self.end - timedelta(days=1)).date()
            return f"{first}" if first == last else f"{first} to {last}"
        return f"{_moment(self.start)} to {_moment(self.end)}"

    @property
    def reported_runs(self) -> Rows:
        """The run, or the runs that began in the period."""
        if self.run:
            return [self.run]
        return [run for run in self.runs if self.start <= run["started_at"] < self.end]


def render(report: Report) -> str:
    """Make the page.

    Raises:
        ConfigurationError: the extra that draws it is not installed.
    """
    try:
        import jinja2  # noqa: PLC0415 - an extra

        drawings = _drawings(report)
    except ImportError as error:
        raise ConfigurationError(
            "The report needs the extra `report`, which is not installed.",
            code=Code.EXTRA_MISSING,
            remedy="Install it: pip install 'koodrive-task-audit[report]'.",
        ) from error
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("etl.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "moment": _moment, "span": _span, "advice": advice_on}
    return environment.get_template(TEMPLATE).render(
        report=report,
        grade=_grade(report.run),
        totals=_totals(report.reported_runs),
        charts=drawings,
        unit="Minutes" if _lasts_minutes(report.runs) else "Seconds",
        most=max((row["tasks"] for row in report.failures), default=1),
    )


def _grade(run: dict[str, Any] | None) -> Grade:
    """Grade a run; one that has not ended, or was killed, has no exit code."""
    return "bad" if run is None or run["exit_code"] is None else ExitCode(run["exit_code"]).grade


def _drawings(report: Report) -> dict[str, str | None]:
    """Draw what there is to draw, as SVG that may stand in a page: no text from outside is in it."""
    from markupsafe import Markup  # noqa: PLC0415 - an extra

    from etl.report import charts  # noqa: PLC0415 - an extra

    unit = 60 if _lasts_minutes(report.runs) else 1
    has_backlog = report.backlog and any(tasks for _, tasks in report.backlog)
    drawn = {
        "days": charts.outcomes_by_day(report.days) if report.days else None,
        "backlog": charts.backlog_by_age(report.backlog) if report.backlog and has_backlog else None,
        "durations": charts.over_runs(_measured(report, lambda run: _seconds(run) / unit)) if report.runs else None,
        "rates": charts.over_runs(_measured(report, _rate)) if report.runs else None,
    }
    return {name: svg and Markup(svg) for name, svg in drawn.items()}  # noqa: S704 - drawn here


def _totals(runs: Rows) -> dict[str, float]:
    names = (
        "claimed",
        "audited",
        "changed",
        "still_open",
        "dead_lettered",
        "released",
        "requests",
        "retries",
        "throttled",
    )
    totals: dict[str, float] = {name: sum(run[name] for run in runs) for name in names}
    totals["seconds"] = sum(_seconds(run) for run in runs)
    totals["rate"] = totals["requests"] / totals["seconds"] if totals["seconds"] else 0.0
    return totals


def _measured(report: Report, measure: Callable[[dict[str, Any]], float]) -> list[dict[str, Any]]:
    told = {run["run_id"] for run in report.reported_runs}
    return [
        # The number keeps runs of one second apart.
        {
            "started": f"{run['started_at']:%Y-%m-%d %H:%M:%S} {number}",
            "value": measure(run),
            "is_told": run["run_id"] in told,
        }
        for number, run in enumerate(report.runs[-MAX_RUNS_DRAWN:])
    ]


def _lasts_minutes(runs: Rows) -> bool:
    """Whether durations are told in minutes; in seconds otherwise."""
    return max(map(_seconds, runs[-MAX_RUNS_DRAWN:]), default=0) >= MINUTES_FROM


def _seconds(run: dict[str, Any]) -> float:
    return (run["finished_at"] - run["started_at"]).total_seconds() if run["finished_at"] else 0.0


def _rate(run: dict[str, Any]) -> float:
    seconds = _seconds(run)
    return float(run["requests"] / seconds) if seconds else 0.0


def _number(value: float) -> str:
    return f"{value:,.0f}"


def _moment(value: datetime | None) -> str:
    return f"{value:%Y-%m-%d %H:%M}" if value else "-"


def _span(seconds: float) -> str:
    rounded = timedelta(seconds=round(seconds))
    return str(rounded) if seconds >= 1 else f"{seconds:.1f} s"

"""Renders a report as one HTML file without scripts and outside resources; text from outside is escaped."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from etl.error_codes import Code
from etl.errors import ConfigurationError
from etl.exit_codes import ExitCode, Grade
from etl.receivers import for_html
from etl.report.bar import Bar
from etl.runs import AuditRun
from etl.tasks import is_valid_task_id, summary_of
from etl.tasks.failure_reasons import advice_on
from etl.times.night import Night
from etl.warehouse.read.dead_letters import DeadLetter
from etl.warehouse.read.news import Period
from etl.warehouse.read.period import Findings
from etl.warehouse.read.trend import MONTH, WEEK, Trend

TEMPLATE = "page.html"

MAX_RUNS_DRAWN = 60
"""The newest runs; more bars would be too thin to read."""

MAX_RUNS_LISTED = 30
"""The runs in the table, at most; more would be a page of their own. The newest remain."""

MAX_DETAIL_CHARACTERS = 400
"""The characters of one failure, so that the list stays readable."""

MIN_SECONDS_IN_MINUTES = 120
"""If the longest run takes at least this long, the chart of durations counts minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The content of the page."""

    period: Period
    run: AuditRun | None = None
    """The run that the report is about; None if it is about a night or another period."""
    night: Night | None = None
    """The night that the report is about; None if it is about a run or another period."""
    findings: Findings
    trend: Trend | None = None
    """The comparison of the night with those before it; None if the report is not about a night."""
    backlog: Sequence[tuple[str, int]] | None
    """Pending tasks by age; None if the pending table is the user's own."""
    made_at: datetime
    version: str

    @property
    def title(self) -> str:
        """The night or the period in words; whole days are shown as the dates that the user typed."""
        if self.night:
            return str(self.night)
        midnight, start, end = datetime.min.time(), self.period.start, self.period.end
        if start.time() == end.time() == midnight:
            first, last = start.date(), (end - timedelta(days=1)).date()
            return f"{first}" if first == last else f"{first} to {last}"
        return f"{_moment(start)} to {_moment(end)}"

    @property
    def reported_runs(self) -> Sequence[AuditRun]:
        """The run, or the runs that began in the period."""
        return [self.run] if self.run else self.findings.runs_of(self.period)

    @property
    def outcomes(self) -> Sequence[tuple[str, int, Grade]]:
        """The outcomes of the runs, the most frequent first, each with its runs and its grade."""
        runs = Counter((run.outcome, grade_of(run)) for run in self.reported_runs)
        return [(outcome.replace("_", " "), number, grade) for (outcome, grade), number in runs.most_common()]


def grade_of(run: AuditRun) -> Grade:
    """Return the grade of a run; a run that has not ended, or was killed, has no exit code."""
    return "bad" if run.exit_code is None else ExitCode(run.exit_code).grade


TOTALS = (
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
"""The numbers of a run that the page adds up."""


def render(report: Report) -> str:
    """Make the page.

    Raises:
        ConfigurationError: the extra `report` is not installed.
    """
    try:
        import jinja2  # noqa: PLC0415 - an extra

        charts = _charts(report)
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
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= FILTERS
    return environment.get_template(TEMPLATE).render(
        report=report,
        found=report.findings,
        totals=_totals(report.reported_runs),
        charts=charts,
        unit="Minutes" if _takes_minutes(report.findings.runs) else "Seconds",
        nights=(WEEK, MONTH),
        listed_runs=report.reported_runs[: -MAX_RUNS_LISTED - 1 : -1],
    )


def _printable(value: object) -> object:
    """Make a text from outside fit for the page; markup of our own is no plain text."""
    return for_html(value) if type(value) is str else value


def _id(letter: DeadLetter) -> str:
    """Return the task of a dead letter; a text that is no task ID may be any data."""
    return letter.task_id if is_valid_task_id(letter.task_id) else "no task ID"


def _what(letter: DeadLetter) -> str:
    """Say what failed, without words of the API, since pages are passed on; the table has the words."""
    if letter.http_status is None:
        return letter.detail[:MAX_DETAIL_CHARACTERS]
    return summary_of(letter.http_status, letter.error_code)


def _charts(report: Report) -> dict[str, str | None]:
    """Draw the charts as SVG; they hold no text from outside, and need no escaping."""
    from markupsafe import Markup  # noqa: PLC0415 - an extra

    from etl.report import charts  # noqa: PLC0415 - an extra

    found = report.findings
    unit = 60 if _takes_minutes(found.runs) else 1
    has_backlog = report.backlog and any(tasks for _, tasks in report.backlog)
    nights = _bars_of_nights(report.trend) if report.trend else []
    drawn = {
        "trend": charts.bars_of_runs(nights) if nights else None,
        "days": charts.outcomes_by_day(found.days) if found.days else None,
        "backlog": charts.backlog_by_age(report.backlog) if report.backlog and has_backlog else None,
        "durations": charts.bars_of_runs(_bars(report, lambda run: run.seconds / unit)) if found.runs else None,
        "rates": charts.bars_of_runs(_bars(report, lambda run: run.requests_per_second)) if found.runs else None,
    }
    return {name: svg and Markup(svg) for name, svg in drawn.items()}  # noqa: S704 - drawn by this package


def _bars(report: Report, measure: Callable[[AuditRun], float]) -> list[Bar]:
    reported = {run.run_id for run in report.reported_runs}
    return [
        # The number distinguishes runs that started in the same second.
        Bar(
            started=f"{run.started_at:%Y-%m-%d %H:%M:%S} {number}",
            value=measure(run),
            is_reported=run.run_id in reported,
        )
        for number, run in enumerate(report.findings.runs[-MAX_RUNS_DRAWN:])
    ]


def _bars_of_nights(trend: Trend) -> list[Bar]:
    return [
        Bar(started=f"{each.night.day}", value=each.percent, is_reported=each.night == trend.night)
        for each in trend.nights
    ]


def _totals(runs: Sequence[AuditRun]) -> dict[str, float]:
    totals: dict[str, float] = {name: sum(getattr(run, name) for run in runs) for name in TOTALS}
    totals["seconds"] = _seconds_at_work(runs)
    totals["rate"] = totals["requests"] / totals["seconds"] if totals["seconds"] else 0.0
    return totals


def _seconds_at_work(runs: Sequence[AuditRun]) -> float:
    """Return the time in which at least one of the runs was going on."""
    seconds, until = 0.0, datetime.min.replace(tzinfo=UTC)
    for run in sorted(runs, key=lambda run: run.started_at):
        end = run.finished_at or run.started_at
        seconds += max(0.0, (end - max(run.started_at, until)).total_seconds())
        until = max(until, end)
    return seconds


def _takes_minutes(runs: Sequence[AuditRun]) -> bool:
    """Return whether the chart of durations counts minutes; otherwise it counts seconds."""
    return max((run.seconds for run in runs[-MAX_RUNS_DRAWN:]), default=0) >= MIN_SECONDS_IN_MINUTES


def _number(value: float) -> str:
    return f"{value:,.0f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} %"


def _moment(value: datetime | None) -> str:
    return f"{value:%Y-%m-%d %H:%M}" if value else "-"


def _span(seconds: float) -> str:
    rounded = timedelta(seconds=round(seconds))
    return str(rounded) if seconds >= 1 else f"{seconds:.1f} s"


FILTERS: dict[str, Callable[..., object]] = {
    "number": _number,
    "moment": _moment,
    "span": _span,
    "advice": advice_on,
    "id": _id,
    "what": _what,
    "grade": grade_of,
    "percent": _percent,
}
"""What the template calls, by name."""

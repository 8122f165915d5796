"""The text of a night's digest. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from etl.exit_codes import ExitCode
from etl.observe.messages import MAX_TEXT_LENGTH, Message, letters_in_words, quotable
from etl.runs import AuditRun
from etl.times.night import Night
from etl.warehouse.read.news import Period
from etl.warehouse.read.period import Findings
from etl.warehouse.read.trend import MONTH, WEEK, Trend

MAX_NAMED = 3
"""The result codes, and the tenants, that a digest names."""

MAX_WORD_LENGTH = 60
"""The characters of a code, a title or a tenant, so that a digest fits the shortest limit of a chat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NightNews:
    """What a digest tells."""

    night: Night
    findings: Findings
    trend: Trend
    pending: int | None
    """The pending tasks; None if the pending table is the user's own."""

    @property
    def runs(self) -> Sequence[AuditRun]:
        """The runs of the night, the oldest first."""
        return self.findings.runs_of(Period(start=self.night.start, end=self.night.end))


def digest_of(news: NightNews, *, host: str) -> Message:
    """Make the digest of a night.

    Args:
        news: what it tells.
        host: the machine that sends it.
    """
    ended = sorted(filter(_end, news.runs), key=_end)
    first = news.runs[0].run_id if news.runs else f"no-run-{news.night.day}"
    # A night without a run says that the job did not take place.
    exit_code = (ended[-1].exit_code if ended else None) or (0 if ended else ExitCode.UNAVAILABLE)
    text = "\n".join(line for line in _lines(news) if line)
    return Message(run_id=first, kind="digest", exit_code=int(exit_code), host=host, text=text[:MAX_TEXT_LENGTH])


def _end(run: AuditRun) -> datetime:
    return run.finished_at or run.started_at


def _lines(news: NightNews) -> list[str]:
    return [
        f"{news.night}: {_verdict(news)}",
        _runs(news.runs),
        _tasks(news.findings),
        _failures(news.findings),
        _trend(news.trend),
        _letters(news.findings),
        _stuck(news.findings),
        "" if news.pending is None else f"Pending now: {news.pending:,}.",
    ]


def _verdict(news: NightNews) -> str:
    runs = news.runs
    if not runs:
        return "no run has begun."
    troubles = Counter(_trouble(run) for run in runs if run.exit_code != ExitCode.OK)
    if troubles:
        of_runs = f" of {len(runs):,} runs: " if len(runs) > 1 else ""
        words = (f"{f'{number:,}{of_runs}' if of_runs else ''}{trouble}" for trouble, number in troubles.most_common())
        return f"{'; '.join(words)}."
    return "all went well."


def _trouble(run: AuditRun) -> str:
    if run.exit_code is None:
        return "not ended"
    if run.only_lacks_answers:
        return "some tasks still pending, no answer for now"
    return f"{run.outcome.replace('_', ' ')} ({run.exit_code})"


def _runs(runs: Sequence[AuditRun]) -> str:
    if not runs:
        return "Check the schedule: `task-audit status` lists the last runs."
    outcomes = Counter(run.outcome.replace("_", " ") for run in runs)
    words = ", ".join(f"{number:,} {outcome}" for outcome, number in outcomes.most_common())
    return f"Runs: {len(runs):,} ({words}), {sum(run.requests for run in runs):,} requests."


def _tasks(findings: Findings) -> str:
    found = findings.outcomes
    return (
        f"New or changed tasks: {found.changed:,}. {found.succeeded:,} succeeded, {found.failed:,} failed, "
        f"{found.news_of_open:,} have not ended. Still open: {found.still_open:,}."
    )


def _failures(findings: Findings) -> str:
    codes = [
        f"{_word(row.result_code or 'no code')}{f' {_word(row.title)}' if row.title else ''} ({row.tasks:,})"
        for row in findings.failures[:MAX_NAMED]
    ]
    tenants = [
        f"{_word(row.tenant_name or row.tenant_id or 'none')} ({row.tasks:,} of {row.ended:,})"
        for row in findings.tenants[:MAX_NAMED]
    ]
    lines = [f"Result codes of most failed tasks: {', '.join(codes)}."] if codes else []
    return "\n".join(lines + ([f"Tenants with most failures: {', '.join(tenants)}."] if tenants else []))


def _word(text: str) -> str:
    """Make a text from outside one short word or phrase, which begins no line."""
    return quotable(" ".join(text.split()))[:MAX_WORD_LENGTH]


def _trend(trend: Trend) -> str:
    if trend.percent is None:
        return ""
    before = [_before(trend, number) for number in (WEEK, MONTH) if trend.before(number)]
    compared = f"; {', '.join(before)}." if before else "; there is no night before to compare with."
    return f"Failed of those that ended: {trend.percent:.1f} %{compared}"


def _before(trend: Trend, number: int) -> str:
    nights = len(trend.before(number))
    words = f"the {number} nights before" if nights == number else f"{nights} of the {number} nights before"
    return f"{trend.percent_before(number):.1f} % in {words}"


def _letters(findings: Findings) -> str:
    open_ = sum(row.tasks for row in findings.reasons)
    if not findings.letter_news:
        return f"Dead letters: 0 new. Open: {open_:,}." if open_ else ""
    return f"Dead letters: {letters_in_words(findings.letter_news)}. Open: {open_:,}."


def _stuck(findings: Findings) -> str:
    if not findings.stuck.tasks:
        return ""
    since = f"{findings.stuck.oldest[0].submitted_at:%Y-%m-%d %H:%M}"
    return f"Open for more than 24 hours: {findings.stuck.tasks:,}, the oldest since {since} UTC."

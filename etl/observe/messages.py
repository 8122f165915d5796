"""The messages about a run: which events cause one, and its text. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from etl.exit_codes import ExitCode
from etl.runs import AuditRun, RunMessageKind
from etl.settings.notify import NotifySettings
from etl.warehouse.read.letter_news import LetterNews

MessageKind = Literal[RunMessageKind, "test"]

MAX_TEXT_LENGTH = 2_000
"""Characters, so that a chat shows the whole message."""

MAX_CODE_LENGTH = 100
"""Characters of a result code, which KooDrive does not bound."""

MAX_CODES = 10
"""Result codes that one message names, so that it fits MAX_TEXT_LENGTH."""


MESSAGES_SECTION = "messages-of-the-webhook"
"""The section of docs/runbook.md about messages."""

ERROR_CODE = re.compile(r"\[([a-z-]+)\]")
"""The code at the beginning of an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message about one run, or about a night."""

    run_id: str
    """The run. For a digest, the first run of the night."""
    kind: MessageKind
    """A run has at most one message of each kind, so a night has one digest."""
    exit_code: int
    """The exit code of the run. For a digest, that of the run that ended last."""
    host: str
    text: str

    @property
    def idempotency_key(self) -> str:
        """The name of the message, by which a receiver can drop a repetition."""
        return f"{self.run_id}:{self.kind}"

    @property
    def lines(self) -> list[str]:
        """The lines of the text. Only a digest has several: a text from outside must not begin a line."""
        return (self.kind == "digest" and self.text.splitlines()) or [self.text]

    @property
    def section(self) -> str:
        """The section of docs/runbook.md that says what to do."""
        return {"failed": f"exit-code-{self.exit_code}", "dead_letters": "exit-code-65"}.get(
            self.kind, MESSAGES_SECTION
        )

    @property
    def outcome(self) -> str:
        """The outcome of the run, as in ``audit_run``."""
        return ExitCode(self.exit_code).outcome


@dataclass(frozen=True, slots=True)
class NewCode:
    """A result code that no earlier run found."""

    code: str
    tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNews:
    """What the warehouse knows of a run that its row does not tell."""

    codes: Sequence[NewCode] = ()
    """The result codes that this run found first."""
    letters: Sequence[LetterNews] = ()
    """The open dead letters of the run. Empty: they are not known."""


def messages_of(
    run: AuditRun, settings: NotifySettings, *, pending: int | None = None, news: RunNews | None = None
) -> list[Message]:
    """List the messages about a finished run.

    Args:
        run: the run, with its exit code.
        settings: the events that cause a message.
        pending: the tasks that are still pending; None if that number means nothing for this run.
        news: what the warehouse knows of the run; None if it does not answer.
    """
    texts: dict[MessageKind, str] = {}
    news = news or RunNews()
    if run.exit_code in settings.exit_codes and not _is_small_trouble(run, settings):
        texts["failed"] = _failed(run)
    if run.dead_lettered > settings.dead_letters_above:
        texts["dead_letters"] = _dead_letters(run, news.letters)
    if settings.nothing_audited and pending and not run.audited:
        texts["nothing_audited"] = f"Nothing was audited, although tasks are pending: {pending:,}."
    if settings.new_result_codes and news.codes:
        texts["new_result_codes"] = _new_codes(news.codes)
    return [message_about(run, kind, text=text) for kind, text in texts.items()]


def message_about(run: AuditRun, kind: MessageKind, *, text: str) -> Message:
    """Make one message about a run."""
    exit_code = run.exit_code or 0
    return Message(run_id=run.run_id, kind=kind, exit_code=exit_code, host=run.host, text=text[:MAX_TEXT_LENGTH])


def letters_in_words(letters: Sequence[LetterNews]) -> str:
    """Say how many dead letters are new and how many failed again, with the reasons."""
    new, again = sum(each.new for each in letters), sum(each.again for each in letters)
    reasons = ", ".join(f"{each.reason} {each.new + each.again:,}" for each in letters)
    return f"{new:,} new, {again:,} that failed again ({reasons})"


def _is_small_trouble(run: AuditRun, settings: NotifySettings) -> bool:
    """Return whether only a few tasks had no answer; they are pending, and the next run asks again."""
    return run.only_lacks_answers and run.released <= settings.unanswered_above * run.claimed


def _failed(run: AuditRun) -> str:
    did = f"Audited: {run.audited:,}, given back: {run.released:,}. {_help(run)}"
    if run.only_lacks_answers:
        return (
            f"The run ended with {run.exit_code}: some tasks are still pending, with no answer for now: "
            f"{run.released:,} of {run.claimed:,}. {did}"
        )
    outcome = ExitCode(run.exit_code or 0).outcome.replace("_", " ")
    return f"The run ended with {run.exit_code} ({outcome}): {run.error} {did}"


def _help(run: AuditRun) -> str:
    code = ERROR_CODE.match(run.error or "")
    return f"Help: `task-audit explain {code[1]}`." if code else "Help: `task-audit dead-letters list`."


def _dead_letters(run: AuditRun, letters: Sequence[LetterNews]) -> str:
    words = f": {letters_in_words(letters)}" if letters else f" of this run: {run.dead_lettered:,}"
    return f"Dead letters{words}. Help: `task-audit dead-letters list`."


def quotable(code: str) -> str:
    """Return a code that no quotation mark of its own ends."""
    return code[:MAX_CODE_LENGTH].replace("`", "'")


def _new_codes(codes: Sequence[NewCode]) -> str:
    listed = ", ".join(f"`{quotable(code.code)}` ({code.tasks:,})" for code in codes[:MAX_CODES])
    more = f" and {len(codes) - MAX_CODES:,} more" if len(codes) > MAX_CODES else ""
    return f"New result codes, with the number of tasks that have each: {listed}{more}."

"""The messages about a run: which events cause one, and its text. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from etl.exit_codes import ExitCode
from etl.runs import AuditRun, RunMessageKind
from etl.settings.model import NotifySettings

MessageKind = Literal[RunMessageKind, "test"]

MAX_TEXT_LENGTH = 2_000
"""Characters, so that a chat shows the whole message."""

MAX_CODE_LENGTH = 100
"""Characters of a result code, which KooDrive does not bound."""

MAX_CODES = 10
"""Result codes that one message names, so that it fits MAX_TEXT_LENGTH."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message about one run."""

    run_id: str
    kind: MessageKind
    """A run has at most one message of each kind."""
    exit_code: int
    host: str
    text: str

    @property
    def idempotency_key(self) -> str:
        """The name of the message, by which a receiver can drop a repetition."""
        return f"{self.run_id}:{self.kind}"

    @property
    def outcome(self) -> str:
        """The outcome of the run, as in ``audit_run``."""
        return ExitCode(self.exit_code).outcome


@dataclass(frozen=True, slots=True)
class NewCode:
    """A result code that no earlier run found."""

    code: str
    tasks: int


def messages_of(
    run: AuditRun, settings: NotifySettings, *, pending: int | None = None, new_codes: Sequence[NewCode] = ()
) -> list[Message]:
    """List the messages about a finished run.

    Args:
        run: the run, with its exit code.
        settings: the events that cause a message.
        pending: the tasks that are still pending; None if that number means nothing for this run.
        new_codes: the result codes that this run found first.
    """
    texts: dict[MessageKind, str] = {}
    if run.exit_code in settings.exit_codes:
        texts["failed"] = _failed(run)
    if run.dead_lettered > settings.dead_letters_above:
        texts["dead_letters"] = (
            f"New dead letters: {run.dead_lettered:,}. docs/runbook.md#exit-code-65 explains what to do with them."
        )
    if settings.nothing_audited and pending and not run.audited:
        texts["nothing_audited"] = f"Nothing was audited, although tasks are pending: {pending:,}."
    if settings.new_result_codes and new_codes:
        texts["new_result_codes"] = _new_codes(new_codes)
    return [message_about(run, kind, text=text) for kind, text in texts.items()]


def message_about(run: AuditRun, kind: MessageKind, *, text: str) -> Message:
    """Make one message about a run."""
    exit_code = run.exit_code or 0
    return Message(run_id=run.run_id, kind=kind, exit_code=exit_code, host=run.host, text=text[:MAX_TEXT_LENGTH])


def _failed(run: AuditRun) -> str:
    outcome = ExitCode(run.exit_code or 0).outcome.replace("_", " ")
    did = f"Audited: {run.audited:,}, given back: {run.released:,}. See docs/runbook.md#exit-code-{run.exit_code}."
    return f"The run ended with {run.exit_code} ({outcome}): {run.error} {did}"


def _quotable(code: str) -> str:
    """Return a code that no quotation mark of its own ends."""
    return code[:MAX_CODE_LENGTH].replace("`", "'")


def _new_codes(codes: Sequence[NewCode]) -> str:
    listed = ", ".join(f"`{_quotable(code.code)}` ({code.tasks:,})" for code in codes[:MAX_CODES])
    more = f" and {len(codes) - MAX_CODES:,} more" if len(codes) > MAX_CODES else ""
    return f"New result codes, with the number of tasks that have each: {listed}{more}."

"""What somebody wants to hear of after a run, in words. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from etl.exit_codes import ExitCode
from etl.runs import AuditRun
from etl.settings.model import NotifySettings

Kind = Literal["failed", "dead_letters", "nothing_audited", "new_result_codes", "test"]

MAX_TEXT = 2_000
MAX_CODE = 100
"""Characters of a result code, which may be anything that KooDrive sends."""
MAX_CODES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One message about one run."""

    run_id: str
    kind: Kind
    """At most one of each per run."""
    exit_code: int
    host: str
    text: str

    @property
    def idempotency_key(self) -> str:
        """Name the message, so that a receiver can drop a repeat."""
        return f"{self.run_id}:{self.kind}"

    @property
    def outcome(self) -> str:
        """Name how the run ended, as ``audit_run`` does."""
        return ExitCode(self.exit_code).outcome


@dataclass(frozen=True, slots=True)
class NewCode:
    """A result code that no run had met before."""

    code: str
    tasks: int


def notices_of(
    run: AuditRun, settings: NotifySettings, *, pending: int | None = None, new_codes: Sequence[NewCode] = ()
) -> list[Notice]:
    """List what is to be told of a run that has ended.

    Args:
        run: with its exit code.
        settings: what somebody wants to hear of.
        pending: tasks that are still pending, where that says something about this run.
        new_codes: the result codes that it met first.
    """
    texts: dict[Kind, str] = {}
    if run.exit_code in settings.exit_codes:
        texts["failed"] = _failed(run)
    if run.dead_lettered > settings.dead_letters_above:
        texts["dead_letters"] = (
            f"New dead letters: {run.dead_lettered:,}. See docs/runbook.md#exit-code-65 for what becomes of them."
        )
    if settings.nothing_audited and pending and not run.audited:
        texts["nothing_audited"] = f"Nothing was audited, although tasks are pending: {pending:,}."
    if settings.new_result_codes and new_codes:
        texts["new_result_codes"] = _new_codes(new_codes)
    return [notice(run, kind, text) for kind, text in texts.items()]


def notice(run: AuditRun, kind: Kind, text: str) -> Notice:
    """Make one message about a run."""
    exit_code = run.exit_code or 0
    return Notice(run_id=run.run_id, kind=kind, exit_code=exit_code, host=run.host, text=text[:MAX_TEXT])


def _failed(run: AuditRun) -> str:
    outcome = ExitCode(run.exit_code or 0).outcome.replace("_", " ")
    did = f"Audited: {run.audited:,}, given back: {run.released:,}. See docs/runbook.md#exit-code-{run.exit_code}."
    return f"The run ended with {run.exit_code} ({outcome}): {run.error} {did}"


def _new_codes(codes: Sequence[NewCode]) -> str:
    shown = ", ".join(f"{code.code[:MAX_CODE]} ({code.tasks:,})" for code in codes[:MAX_CODES])
    more = f" and {len(codes) - MAX_CODES:,} more" if len(codes) > MAX_CODES else ""
    return f"Result codes that no run had met before, and how many tasks show them: {shown}{more}."

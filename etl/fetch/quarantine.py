"""Holds back refusals that may be our own fault until a good answer shows that they concern their tasks.

A wrong user or address makes the API refuse every task, and each refusal looks as if it concerned its task alone.
Without the quarantine, the first refusals would turn a whole queue into dead letters. Many refusals in a row are only a
suspicion: the first tasks of a queue may be there to be refused.
"""

from http import HTTPStatus

from etl.error_codes import Code
from etl.errors import ConfigurationError, CredentialsRefusedError, TaskAuditError
from etl.tasks import FetchFailure, Outcome
from etl.tasks.failure_reasons import FailureReason

MAX_REFUSED = 25
"""The HTTP 400s, or unrecognized responses, before the first good answer that make the run doubt its settings."""

MAX_FORBIDDEN = 20
"""The HTTP 403s in a row that make the run doubt its rights."""


class Quarantine:
    """Releases outcomes, and holds the doubtful ones back."""

    def __init__(self) -> None:
        self._held: list[FetchFailure] = []
        self._is_proven = False
        """Whether a good answer has shown that the address and the user are right."""

    @property
    def held(self) -> int:
        """The number of outcomes that are held back."""
        return len(self._held)

    def admit(self, outcome: Outcome) -> list[Outcome]:
        """Admit an outcome; returns the outcomes that can be trusted now, in the order of their admission."""
        if isinstance(outcome, FetchFailure) and self._is_doubtful(outcome):
            self._held.append(outcome)
            return []
        if isinstance(outcome, FetchFailure):
            return [outcome]
        return [*self.trust(), outcome]

    def trust(self) -> list[Outcome]:
        """Note a good answer about any task, and return all outcomes that are held back."""
        self._is_proven = True
        return self.release()

    def release(self) -> list[Outcome]:
        """Return all outcomes that are held back, when no good answer is to be expected any more."""
        held, self._held = self._held, []
        return [*held]

    def _is_doubtful(self, failure: FetchFailure) -> bool:
        if failure.own_reason is not None:
            # Other tasks were answered between the requests about this one.
            return not self._is_proven
        match failure.reason:
            case FailureReason.FORBIDDEN:
                return True
            case FailureReason.REJECTED:
                return failure.http_status == HTTPStatus.BAD_REQUEST and not self._is_proven
            case _:
                return False

    def suspicion(self) -> TaskAuditError | None:
        """Return the error that ends the run unless another task is answered; None while too few tasks are refused."""
        newest = self._held[-1] if self._held else None
        if newest is None:
            return None
        forbidden = sum(failure.reason is FailureReason.FORBIDDEN for failure in self._held)
        if forbidden >= MAX_FORBIDDEN:
            return CredentialsRefusedError(
                f"The API forbids {forbidden} tasks in a row, most recently: {newest.summary}.",
                code=Code.API_FORBIDDEN,
                remedy="Check the rights of api.user_id and of the credentials.",
                quote=newest.detail,
            )
        if len(self._held) - forbidden >= MAX_REFUSED:
            return ConfigurationError(
                f"The API has refused {len(self._held)} requests and answered none, most recently: {newest.summary}.",
                code=Code.API_ADDRESS_WRONG,
                remedy="Check api.base_url, api.user_id and the credentials. If these are right and the tasks "
                f"no longer exist, a run with --limit {MAX_REFUSED - 1} makes dead letters of the oldest.",
                quote=newest.detail,
            )
        return None

"""Holds back refusals that may be our own fault until a good answer shows that they concern their tasks.

A wrong user or address makes the API refuse every task, and each refusal looks as if it concerned its task alone.
Without the quarantine, the first refusals would turn a whole queue into dead letters.
"""

from http import HTTPStatus

from etl.error_codes import Code
from etl.errors import ConfigurationError, CredentialsRefusedError
from etl.tasks import FetchFailure, Outcome
from etl.tasks.failure_reasons import FailureReason

MAX_REFUSED = 25
"""The number of HTTP 400s, or of unrecognized responses, before the first good answer that ends the run."""

MAX_FORBIDDEN = 20
"""The number of HTTP 403s in a row that ends the run."""


class Quarantine:
    """Releases outcomes, and holds the doubtful ones back."""

    def __init__(self) -> None:
        self._held: list[FetchFailure] = []
        self._is_proven = False
        """Whether a good answer has shown that the address and the user are right."""

    def admit(self, outcome: Outcome) -> list[Outcome]:
        """Admit an outcome; returns the outcomes that can be trusted now, in the order of their admission.

        Raises:
            ConfigurationError: the API refuses every request as malformed.
            CredentialsRefusedError: the API forbids every request.
        """
        if isinstance(outcome, FetchFailure) and self._is_doubtful(outcome):
            self._held.append(outcome)
            self._raise_if_systematic()
            return []
        if isinstance(outcome, FetchFailure):
            return [outcome]
        self._is_proven = True
        return [*self.release(), outcome]

    def release(self) -> list[Outcome]:
        """Return all outcomes that are held back, at the end of the run."""
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

    def _raise_if_systematic(self) -> None:
        forbidden = sum(failure.reason is FailureReason.FORBIDDEN for failure in self._held)
        last = self._held[-1]
        if forbidden >= MAX_FORBIDDEN:
            raise CredentialsRefusedError(
                f"The API forbids {forbidden} tasks in a row, most recently: {last.detail}.",
                code=Code.API_FORBIDDEN,
                remedy="Check the rights of api.user_id and of the credentials.",
            )
        if len(self._held) - forbidden >= MAX_REFUSED:
            raise ConfigurationError(
                f"The API has refused {len(self._held)} requests and answered none, most recently: {last.detail}.",
                code=Code.API_ADDRESS_WRONG,
                remedy="Check api.base_url, api.user_id and the credentials. If these are right and the tasks "
                f"no longer exist, a run with --limit {MAX_REFUSED - 1} makes dead letters of the oldest.",
            )

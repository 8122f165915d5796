"""Refusals that may be our own fault are held back until a good answer shows that they are not.

A wrong user or address makes the API refuse every task, and each refusal looks as if it concerned its task alone. To
believe the first ones would make dead letters of a whole queue.
"""

from http import HTTPStatus

from etl.errors import Code, ConfigurationError, CredentialsRefusedError
from etl.failure_reasons import FailureReason
from etl.tasks import FetchFailure, Outcome

MAX_REFUSED = 25
"""HTTP 400, or 404 without a code, before the first good answer: half of the first 50."""

MAX_FORBIDDEN = 20
"""HTTP 403 in a row."""


class Quarantine:
    """Passes outcomes on, those that are in doubt later."""

    def __init__(self) -> None:
        self._held: list[FetchFailure] = []
        self._is_proven = False
        """A good answer was seen, so that the API knows us and is where we think."""

    def admit(self, outcome: Outcome) -> list[Outcome]:
        """Take an outcome in; returns what may be believed now, in the order in which it came.

        Raises:
            ConfigurationError: the API refuses every request as malformed.
            CredentialsRefusedError: the API forbids every request.
        """
        if isinstance(outcome, FetchFailure) and self._is_in_doubt(outcome):
            self._held.append(outcome)
            self._give_up_on_many()
            return []
        if isinstance(outcome, FetchFailure):
            return [outcome]
        self._is_proven = True
        return [*self.release(), outcome]

    def release(self) -> list[Outcome]:
        """Hand out what is held back, because nothing more will come."""
        held, self._held = self._held, []
        return [*held]

    def _is_in_doubt(self, failure: FetchFailure) -> bool:
        match failure.reason:
            case FailureReason.FORBIDDEN:
                return True
            case FailureReason.REJECTED:
                return failure.http_status == HTTPStatus.BAD_REQUEST and not self._is_proven
            case FailureReason.NOT_FOUND:
                # Without a code of the API, it may be some other server's page.
                return failure.error_code is None and not self._is_proven
            case _:
                return False

    def _give_up_on_many(self) -> None:
        forbidden = sum(failure.reason is FailureReason.FORBIDDEN for failure in self._held)
        last = self._held[-1]
        if forbidden >= MAX_FORBIDDEN:
            raise CredentialsRefusedError(
                f"The API forbids {forbidden} tasks in a row, at last: {last.detail}.",
                code=Code.API_FORBIDDEN,
                remedy="Check the rights of api.user_id and of the credentials.",
            )
        if len(self._held) - forbidden >= MAX_REFUSED:
            raise ConfigurationError(
                f"The API has refused {len(self._held)} requests and answered none, at last: {last.detail}.",
                code=Code.API_ADDRESS_WRONG,
                remedy="Check api.base_url, api.user_id and the credentials. If all is well and these tasks are just "
                f"gone, a run with --limit {MAX_REFUSED - 1} makes dead letters of the oldest.",
            )

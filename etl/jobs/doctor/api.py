"""Checks the API by one real call about a task that does not exist: it shows whether the credentials are accepted."""

import asyncio
import re
from collections.abc import Iterator
from datetime import timedelta

from uuid_utils.compat import uuid7

from etl.database.clock import system_clock
from etl.error_codes import Code
from etl.errors import ConfigurationError, CredentialsRefusedError, UnavailableError
from etl.jobs.doctor.finding import CLOCK_SKEW_TO_WARN, Finding, warning
from etl.koodrive.client import open_koodrive
from etl.koodrive.http_date import http_date
from etl.koodrive.rate_limit_headers import advice
from etl.koodrive.response import Response
from etl.settings.load import Configuration
from etl.settings.model import ApiSettings
from etl.tasks import FetchFailure, Outcome, PendingTask
from etl.tasks.failure_reasons import FailureReason

PROBE_TASK = PendingTask(task_id="1")
"""A task that does not exist: its ID is of the first millisecond of KooDrive's calendar."""

HEADER = re.compile(r"\bheader\b|\bX-[A-Z]", re.IGNORECASE)

SILENT = {FailureReason.UNREACHABLE, FailureReason.TIMEOUT, FailureReason.SERVER_ERROR}


def examine_api(configuration: Configuration) -> Iterator[Finding]:
    """Call the API once, and a second time if it refuses credentials that can be renewed.

    Raises:
        TaskAuditError: a run would end with this error.
    """
    settings = configuration.settings.api
    outcome, response = asyncio.run(_call(settings))
    _require_answer(outcome)
    reason = outcome.reason if isinstance(outcome, FetchFailure) else None
    if isinstance(outcome, FetchFailure) and reason is FailureReason.REJECTED:
        yield _rejected(outcome)
    elif isinstance(outcome, FetchFailure) and reason is FailureReason.THROTTLED:
        yield warning("API", f"The API throttles: {outcome.detail}.", remedy="Wait, or lower api.max_rate.")
    else:
        yield Finding(subject="API", said=f"{settings.base_url} answers, and accepts the credentials.")
    if response is not None:
        yield from _clock(response)
        yield from _rate(response, settings)


def _rejected(failure: FetchFailure) -> Finding:
    """Report that KooDrive refuses the request about a task, which it need not do to others.

    Raises:
        ConfigurationError: the refusal names a header, which every request lacks.
    """
    message = f"KooDrive refuses the request: {failure.detail.rstrip('.')}."
    if HEADER.search(failure.detail):
        raise ConfigurationError(
            message, code=Code.API_ADDRESS_WRONG, remedy="Set the setting that this header needs, such as api.user_id."
        )
    return warning(
        "API", message, remedy="Check api.base_url and api.user_id; `run --limit 10 --dry-run` asks for others."
    )


async def _call(settings: ApiSettings) -> tuple[Outcome, Response | None]:
    async with open_koodrive(settings, run_id=str(uuid7()), clock=system_clock) as api:
        outcome = await api.ask(PROBE_TASK)
        if isinstance(outcome, FetchFailure) and outcome.reason is FailureReason.UNAUTHORIZED:
            outcome = await api.ask(PROBE_TASK)
        return outcome, api.last_response


def _require_answer(outcome: Outcome) -> None:
    if not isinstance(outcome, FetchFailure):
        return
    message = f"{outcome.reason}: {outcome.detail}".rstrip(".") + "."
    if outcome.ending is not None:
        raise outcome.ending.because(f"The server at api.base_url does not answer as KooDrive. {message}")
    if outcome.reason in SILENT:
        raise UnavailableError(
            f"The API does not answer. {message}",
            code=Code.API_UNAVAILABLE,
            remedy="Check api.base_url and the network.",
        )
    if outcome.reason is FailureReason.FORBIDDEN:
        raise CredentialsRefusedError(
            f"The API forbids the request. {message}", code=Code.API_FORBIDDEN, remedy="Grant the user the right."
        )
    if outcome.reason is FailureReason.UNAUTHORIZED:
        raise CredentialsRefusedError(
            f"The API refuses the credentials. {message}",
            code=Code.CREDENTIALS_REFUSED,
            remedy="Check the token, or the app.",
        )
    if outcome.reason is FailureReason.BAD_PAYLOAD:
        raise ConfigurationError(
            f"The server at api.base_url does not answer as KooDrive. {message}",
            code=Code.API_ADDRESS_WRONG,
            remedy="Check api.base_url.",
        )


def _clock(response: Response) -> Iterator[Finding]:
    date = http_date(response.headers.get("Date"))
    if date is None:
        return
    ahead = date - response.sent_at
    if abs(ahead) > CLOCK_SKEW_TO_WARN:
        yield warning(
            "API",
            f"Its clock is {abs(ahead.total_seconds()):,.0f} s {'ahead of' if ahead > timedelta() else 'behind'} ours.",
            remedy="Synchronize this machine by NTP; a run uses the API's clock if it must.",
        )


def _rate(response: Response, settings: ApiSettings) -> Iterator[Finding]:
    allowed = advice(response.headers, "", now=response.sent_at).allowed_rate
    if allowed is None:
        return
    message = f"The API allows {allowed:,.1f} requests per second; api.max_rate is {settings.max_rate:,.1f}."
    if allowed < settings.max_rate:
        yield warning("API", message, remedy="Lower api.max_rate, so that the first requests are not refused.")
    else:
        yield Finding(subject="API", said=message)

"""Reading a list: with retries, at the rate that the API allows, and never without end."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

import pytest

from etl.error_codes import Code
from etl.errors import ConfigurationError, CredentialsRefusedError, StoppedError, TaskAuditError, UnavailableError
from etl.fetch.budget import RetryBudget
from etl.fetch.gate import Gate
from etl.fetch.pages import PageReader
from etl.fetch.pool import Traffic
from etl.fetch.retry import RetryPolicy
from etl.rate.limiter import RateLimiter
from etl.shutdown import Shutdown
from etl.tasks import FetchFailure, PendingTask
from etl.tasks.failure_reasons import FailureReason
from tests.fetch.virtual_time import run_virtually


@dataclass
class Numbered:
    """A page with a number, which is the cursor of the page."""

    number: int
    next_cursor: str | None


def failure(reason, **changed):
    return FetchFailure(
        task=PendingTask(task_id="list"),
        reason=reason,
        failed_at=datetime(2026, 1, 1, tzinfo=UTC),
        detail="d",
        **changed,
    )


def counted(last=10):
    """Return a function that serves a list of numbered pages."""

    async def ask(cursor):
        number = int(cursor or 0)
        return Numbered(number, str(number + 1) if number < last else None)

    return ask


def failing_first(ask, *failures):
    """Answer the first requests with failures, or with errors to raise."""
    waiting = list(failures)

    async def ask_failing(cursor):
        if not waiting:
            return await ask(cursor)
        failure = waiting.pop(0)
        if isinstance(failure, Exception):
            raise failure
        return failure

    return ask_failing


class Reading:
    """The pages, the error and the duration of reading a list."""

    def __init__(self, ask, *, attempts=4, patience_seconds=900, stop_at=None, **settings):
        self.pages = []
        self.error = None
        self.traffic = Traffic()
        run_virtually(self._read(ask, attempts, patience_seconds, stop_at, settings))

    async def _read(self, ask, attempts, patience_seconds, stop_at, settings):
        loop = asyncio.get_running_loop()
        shutdown = Shutdown()
        gate = Gate(
            RateLimiter(50, clock=loop.time), shutdown=shutdown, patience_seconds=patience_seconds, clock=loop.time
        )
        reader = PageReader(
            gate=gate,
            # Once in 200 readings, delays that are not drawn from a seed are longer than the window of the budget.
            policy=RetryPolicy(attempts=attempts, chance=Random(1)),
            budget=RetryBudget(clock=loop.time),
            shutdown=shutdown,
            traffic=self.traffic,
            **settings,
        )
        if stop_at is not None:
            loop.call_later(
                stop_at, shutdown.request, StoppedError("Enough.", code=Code.STOPPED_BY_SIGNAL, remedy="Go on.")
            )
        began = loop.time()
        try:
            async for page in reader.read(ask):
                self.pages.append(page.number)
        except TaskAuditError as error:
            self.error = error
        self.seconds = loop.time() - began


def test_all_pages_are_read_at_the_rate_limit():
    reading = Reading(counted(100))
    assert reading.error is None
    assert reading.pages == list(range(101))
    assert reading.traffic.requests == 101
    assert reading.seconds == pytest.approx(100 / 50, rel=0.1)


@pytest.mark.parametrize(
    "reason", [FailureReason.SERVER_ERROR, FailureReason.TIMEOUT, FailureReason.UNREACHABLE, FailureReason.UNAUTHORIZED]
)
def test_a_passing_failure_is_retried(reason):
    reading = Reading(failing_first(counted(), failure(reason), failure(reason)))
    assert reading.error is None
    assert reading.pages == list(range(11))
    assert reading.traffic.requests == 13


def test_a_bad_payload_is_final_at_its_second_sighting():
    assert Reading(failing_first(counted(), failure(FailureReason.BAD_PAYLOAD))).error is None
    twice = [failure(FailureReason.BAD_PAYLOAD)] * 2
    assert isinstance(Reading(failing_first(counted(), *twice)).error, ConfigurationError)


def test_a_page_gets_as_many_attempts_as_a_task():
    reading = Reading(failing_first(counted(), *[failure(FailureReason.SERVER_ERROR)] * 9), attempts=3)
    assert isinstance(reading.error, UnavailableError)
    assert reading.traffic.requests == 3


def test_retries_stay_within_their_budget():
    failing = [failure(FailureReason.SERVER_ERROR)] * 50
    reading = Reading(failing_first(counted(), *failing), attempts=40)
    assert isinstance(reading.error, UnavailableError)
    assert reading.traffic.requests == 11


@pytest.mark.parametrize(
    ("reason", "first", "later"),
    [
        (FailureReason.FORBIDDEN, CredentialsRefusedError, CredentialsRefusedError),
        (FailureReason.NOT_FOUND, ConfigurationError, UnavailableError),
        (FailureReason.REJECTED, ConfigurationError, UnavailableError),
        (FailureReason.TOO_LARGE, ConfigurationError, UnavailableError),
    ],
)
def test_a_lasting_failure_ends_the_reading_and_on_the_first_page_it_shows_a_wrong_address(reason, first, later):
    async def ask(cursor):
        return Numbered(0, "1") if cursor is None else failure(reason)

    assert type(Reading(failing_first(counted(), failure(reason))).error) is first
    reading = Reading(ask)
    assert type(reading.error) is later
    assert reading.pages == [0]
    assert str(reason) in str(reading.error)


def test_a_wait_that_the_api_names_is_observed():
    throttled = failure(FailureReason.THROTTLED, wait_seconds=60.0)
    reading = Reading(failing_first(counted(), throttled))
    assert reading.error is None
    assert reading.seconds >= 60
    assert reading.traffic.throttled == 1


def test_a_pause_beyond_patience_stops_cleanly():
    reading = Reading(failing_first(counted(), failure(FailureReason.THROTTLED, wait_seconds=901.0)))
    assert isinstance(reading.error, StoppedError)


def test_endless_throttling_ends_the_reading():
    async def ask(_cursor):
        return failure(FailureReason.THROTTLED)

    reading = Reading(ask)
    assert isinstance(reading.error, StoppedError)
    assert reading.seconds == pytest.approx(900, rel=0.1)


def test_an_error_that_concerns_every_request_ends_the_reading():
    refused = CredentialsRefusedError("No.", code=Code.CREDENTIALS_REFUSED, remedy="Fix them.")
    assert Reading(failing_first(counted(), refused)).error is refused
    assert Reading(failing_first(counted(), failure(FailureReason.UNAUTHORIZED), refused)).error is refused


def test_a_shutdown_ends_a_request_and_a_pause():
    async def hang(_cursor):
        await asyncio.sleep(3_600)

    for ask in (hang, failing_first(counted(), failure(FailureReason.THROTTLED, wait_seconds=600.0))):
        reading = Reading(ask, stop_at=7)
        assert reading.error.message == "Enough."
        assert reading.seconds == pytest.approx(7)
        assert reading.pages == []


def test_a_list_that_leads_back_ends_with_an_error():
    async def ask(cursor):
        number = int(cursor or 0)
        return Numbered(number, str((number + 1) % 5))

    reading = Reading(ask)
    assert isinstance(reading.error, UnavailableError)
    assert "leads back" in str(reading.error)
    assert reading.pages == [0, 1, 2, 3, 4, 0]


def test_a_list_without_end_ends_with_an_error():
    reading = Reading(counted(10**9), max_pages=500)
    assert isinstance(reading.error, UnavailableError)
    assert "not ended after 500 pages" in str(reading.error)
    assert len(reading.pages) == 500

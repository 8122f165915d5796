"""Database operations that fail for a moment are repeated; other errors stop the run."""

import asyncio

import pytest

from etl.error_codes import Code
from etl.errors import StoppedError, TransientError, UnavailableError
from etl.run.database_retry import MAX_ATTEMPTS, MAX_ATTEMPTS_WHEN_STOPPING, DatabaseRetry
from etl.shutdown import Shutdown
from tests.fetch.virtual_time import run_virtually


class Database:
    """A database that fails so many times, and then answers."""

    def __init__(self, *, failures, error=TransientError):
        self.failures = failures
        self.error = error
        self.tries = 0

    def answer(self, *arguments):
        self.tries += 1
        if self.tries <= self.failures:
            raise self.error("The server has restarted.", code=Code.DATABASE_UNAVAILABLE, remedy="Wait.")
        return arguments


def ask(database, *, stopping=False):
    """Call the database; returns the answer, the reason to stop and the seconds that the call took."""

    async def scenario():
        loop, shutdown = asyncio.get_running_loop(), Shutdown()
        if stopping:
            shutdown.request(StoppedError("The time is up.", code=Code.STOPPED_BY_SIGNAL, remedy="Go on."))
        begun = loop.time()
        answer = await DatabaseRetry(shutdown).call(database.answer, "a", "b")
        return answer, shutdown.reason, loop.time() - begun

    return run_virtually(scenario())


@pytest.mark.parametrize("failures", [0, 1, MAX_ATTEMPTS - 1])
def test_an_operation_that_fails_for_a_moment_is_repeated(failures):
    database = Database(failures=failures)

    answer, reason, seconds = ask(database)

    assert (answer, reason, database.tries) == (("a", "b"), None, failures + 1)
    assert seconds <= 60


def test_an_operation_that_keeps_failing_ends_the_run():
    database = Database(failures=1_000)

    answer, reason, _ = ask(database)

    assert (answer, database.tries) == (None, MAX_ATTEMPTS)
    assert isinstance(reason, TransientError)


def test_a_lasting_error_is_not_retried():
    database = Database(failures=1, error=UnavailableError)

    answer, reason, _ = ask(database)

    assert (answer, database.tries) == (None, 1)
    assert reason.message == "The server has restarted."


@pytest.mark.parametrize(
    ("failures", "answer"), [(MAX_ATTEMPTS_WHEN_STOPPING - 1, ("a", "b")), (MAX_ATTEMPTS_WHEN_STOPPING, None)]
)
def test_there_are_no_delays_after_a_request_to_stop(failures, answer):
    found, reason, seconds = ask(Database(failures=failures), stopping=True)

    assert (found, seconds) == (answer, 0)
    assert isinstance(reason, StoppedError)


def test_operations_at_the_same_time_are_independent():
    async def scenario():
        retry = DatabaseRetry(Shutdown())
        databases = [Database(failures=number % 4) for number in range(12)]
        done = await asyncio.gather(*(retry.run(database.answer) for database in databases))
        return all(done), [database.tries for database in databases]

    assert run_virtually(scenario()) == (True, [number % 4 + 1 for number in range(12)])

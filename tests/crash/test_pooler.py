"""kill -9 behind PgBouncer, where a connection outlives the run that used it: of runs, and of the server."""

from contextlib import contextmanager

import pytest
from pydantic import SecretStr

from etl.database.url import parse_database_url
from tests.crash.test_kill import MANY, die_at, kill_forty_times, points_of
from tests.crash.test_servers import ended, wait_for_requests
from tests.field.pgbouncer import pooling

pytestmark = pytest.mark.postgresql

PLACES = ["postgresql+postgresql", "one postgresql"]


@pytest.fixture
def pooled(two_places):
    """Put a PgBouncer before the databases of a test: ``with pooled("one postgresql") as places``."""

    @contextmanager
    def start(names):
        urls = [url.get_secret_value() for url in two_places(names)]
        with pooling(urls[0]) as behind:
            databases = [parse_database_url(SecretStr(url)).database for url in urls]
            yield tuple(SecretStr(behind.replace(databases[0], database)) for database in databases)

    return start


def test_a_run_that_is_killed_behind_a_pooler_is_completed_by_the_next(ledger_of, pooled):
    with pooled(PLACES[1]) as places, ledger_of(places, tasks=160) as ledger:
        die_at(ledger, points_of(places)[1::3])


@pytest.mark.soak
@pytest.mark.parametrize("names", PLACES)
def test_a_run_that_is_killed_at_any_point_behind_a_pooler_is_completed_by_the_next(ledger_of, pooled, names):
    with pooled(names) as places, ledger_of(places, tasks=400) as ledger:
        die_at(ledger, ["committed:2", *points_of(places)])


@pytest.mark.soak
@pytest.mark.parametrize("names", PLACES)
def test_forty_kills_at_any_time_behind_a_pooler_lose_nothing(ledger_of, pooled, names):
    with pooled(names) as places, ledger_of(places, **MANY) as ledger:
        kill_forty_times(ledger, points_of(places))


@pytest.mark.soak
def test_a_server_behind_a_pooler_that_is_killed_again_and_again_costs_nothing(ledger_of, server):
    with pooling(server.url().get_secret_value()) as behind:
        url = SecretStr(behind)
        with ledger_of((url, url), tasks=4_000, api__max_rate=400) as ledger:
            with ledger.run() as process:
                for requests in (300, 1_000, 1_700, 2_400, 3_100):
                    wait_for_requests(ledger, requests, process)
                    server.kill()
                    ledger.deaths_of_servers += 1
                    server.start()
                code, stderr = ended(process)
            assert code == 65, stderr
            assert "database_stumbled" in stderr
            ledger.finish()

"""A PostgreSQL server that is killed in the middle of a run, and whose synchronous standby is promoted."""

from contextlib import ExitStack
from tempfile import TemporaryDirectory

import psycopg
import pytest
from pydantic import SecretStr

from tests.crash.test_servers import ended, wait_for_requests
from tests.field.standby import following

pytestmark = pytest.mark.postgresql

FIRST_REQUESTS, REQUESTS = 300, 700
"""The requests before the first failover, and between two failovers."""


def url_of_all(primary, folders):
    """Return the URL of whichever server accepts writes."""
    with psycopg.connect(primary) as connection:
        info = connection.info
        hosts = ",".join([info.host, *folders])
        ports = ",".join([str(info.port)] * (1 + len(folders)))
        where = f"host={hosts}&port={ports}&target_session_attrs=read-write"
        return SecretStr(f"postgresql://{info.user}@/{info.dbname}?{where}")


def wait_for_the_standby_at_each_commit(primary):
    with psycopg.connect(primary, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        connection.execute("SELECT pg_reload_conf()")


def fail_over(ledger_of, server, programs, *, times, **settings):
    """Kill the server that a run uses, and promote its standby, so many times in one run."""
    with ExitStack() as stack:
        folders = [stack.enter_context(TemporaryDirectory(prefix="st-")) for _ in range(times)]
        primary, url = server, server.url().get_secret_value()
        ledger = stack.enter_context(ledger_of((url_of_all(url, folders),) * 2, **settings))
        process = stack.enter_context(ledger.run())
        for number, folder in enumerate(folders):
            standby = stack.enter_context(following(programs, url, folder=folder))
            wait_for_the_standby_at_each_commit(url)
            wait_for_requests(ledger, FIRST_REQUESTS + number * REQUESTS, process)
            primary.kill()
            ledger.deaths_of_servers += 1
            standby.promote()
            primary, url = standby, standby.url
        code, stderr = ended(process)
        assert code == 65, stderr
        assert stderr.count("database_stumbled") >= times
        ledger.finish()


@pytest.mark.field
def test_a_run_goes_on_with_the_standby_that_is_promoted(ledger_of, server, postgres_server):
    fail_over(ledger_of, server, postgres_server, times=1, tasks=1_000, api__max_rate=300)


@pytest.mark.soak
def test_five_failovers_in_one_run_lose_nothing(ledger_of, server, postgres_server):
    fail_over(ledger_of, server, postgres_server, times=5, tasks=6_000, api__max_rate=200)

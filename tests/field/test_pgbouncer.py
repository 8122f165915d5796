"""The job behind PgBouncer, where each transaction may have another connection: its results are exact, and it leaves
nothing behind in a connection."""

import time
from functools import partial

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from etl.database.connections import open_engine
from etl.errors import TransientError
from etl.fake_api import Behaviour, StatusWeights
from tests.field.pgbouncer import pooling
from tests.nights import TOKEN, task_ids

pytestmark = [pytest.mark.postgresql, pytest.mark.field]

SETTINGS = (
    "TimeZone",
    "DateStyle",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "statement_timeout",
    "search_path",
    "application_name",
    "role",
)
TASKS, POOL_SIZE = 400, 2
SESSIONS = 8
"""More than the job has at once, since each holds a connection of such a pool."""


@pytest.fixture
def pgbouncer(postgres_url):
    """Start a PgBouncer before the database of the test: ``with pgbouncer("transaction") as url``."""
    return partial(pooling, postgres_url, pool_size=POOL_SIZE)


@pytest.fixture
def other_client(postgres_url):
    """Make a client of the same pool, which belongs to another application: ``other_client(url)``."""
    clients = []

    def connect(url):
        clients.append(psycopg.connect(url, autocommit=True, prepare_threshold=None))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def settings_of_pool(clients, *statements):
    """Return the settings of every connection of the pool: the clients hold one each at the same time."""
    found = []
    for client in clients:
        client.execute("BEGIN")
    for client in clients:
        for statement in statements:
            client.execute(statement)
        settings = [client.execute("SELECT current_setting(%s)", [name]).fetchone()[0] for name in SETTINGS]
        leftover = "SELECT (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_locks l WHERE "
        leftover += "l.locktype = 'advisory' AND pid = pg_backend_pid()), (SELECT count(*) FROM pg_class WHERE "
        leftover += "relpersistence = 't')"
        found.append((*settings, *client.execute(leftover).fetchone()))
    for client in clients:
        client.execute("COMMIT")
    return found


@pytest.mark.parametrize("schema", [None, "Audit"])
def test_two_runs_through_one_pool_are_exact_and_leave_its_sessions_alone(pgbouncer, night_of, other_client, schema):
    ids = task_ids(TASKS)
    with pgbouncer("transaction") as pooled:
        clients = [other_client(pooled) for _ in range(POOL_SIZE)]
        before = settings_of_pool(clients)
        url, settings = SecretStr(pooled), {"warehouse__schema": schema} if schema else {}
        settings |= {"run__batch_size": 20, "api__max_rate": 200}
        with night_of(Behaviour(token=TOKEN, weights=StatusWeights(new=0, executing=0)), url, url, **settings) as night:
            night.enqueue(*ids)
            runs = [night.start("run") for _ in range(2)]
            ended = [(run.communicate(timeout=120), run.returncode) for run in runs]
            facts = night.rows(f'SELECT task_id, status, result_code FROM "{schema or "public"}".fact_task_status')
            claimed = night.rows(f'SELECT claimed, audited FROM "{schema or "public"}".audit_run')
            assert {task_id: rest for task_id, *rest in facts} == night.truth(ids)
            assert night.run("doctor").exit_code == 0
            assert night.run("plan").exit_code == 0
        assert [code for _, code in ended] == [0, 0], ended
        assert [sum(numbers) for numbers in zip(*claimed, strict=True)] == [TASKS, TASKS]
        assert min(number for number, _ in claimed) > 0, "one run took all tasks"
        assert settings_of_pool(clients) == before


def test_settings_of_another_application_do_not_reach_the_job(pgbouncer, night_of, other_client):
    ids = task_ids(5)
    with pgbouncer("transaction") as pooled:
        clients = [other_client(pooled) for _ in range(POOL_SIZE)]
        with night_of(
            Behaviour(token=TOKEN, weights=StatusWeights(new=0, executing=0)), SecretStr(pooled), SecretStr(pooled)
        ) as night:
            night.enqueue(*ids)
            settings_of_pool(clients, "SET search_path = pg_catalog", "SET lock_timeout = 1", "SET DateStyle = German")
            assert night.run("run").exit_code == 0
            assert len(night.facts()) == len(ids)


def test_a_pool_of_sessions_serves_a_night(pgbouncer, night_of):
    ids = task_ids(TASKS)
    with pgbouncer("session", pool_size=SESSIONS) as pooled:
        url = SecretStr(pooled)
        with night_of(Behaviour(token=TOKEN, weights=StatusWeights(new=0, executing=0)), url, url) as night:
            night.enqueue(*ids)
            for command in ("doctor", "plan", "run", "status"):
                ended = night.run(command)
                assert ended.exit_code == 0, ended
            assert night.facts() == night.truth(ids)


@pytest.mark.parametrize("command", ["init", "doctor", "run"])
def test_a_pool_of_statements_is_refused_with_the_remedy(pgbouncer, task_audit, configure, tmp_path, command):
    with pgbouncer("statement") as pooled:
        configure(source__url=pooled, warehouse__url=f"sqlite:///{tmp_path}/w", api__user_id="1", api__token="t")
        ended = task_audit(command)

    assert ended.exit_code == 78
    assert "pooler-unsuitable" in ended.stderr + ended.stdout
    assert "pool_mode=transaction" in ended.stderr + ended.stdout


def test_options_that_a_pooler_refuses_are_named(pgbouncer, task_audit, configure):
    with pgbouncer("transaction") as pooled:
        configure(source__url=f"{pooled}?options=-csearch_path%3Dx")
        ended = task_audit("init")

    assert ended.exit_code == 78
    assert "[pooler-unsuitable]" in ended.stderr
    assert "ALTER ROLE" in ended.stderr


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_session_that_ends_behind_the_pool_before_its_commit_is_a_lost_connection(pgbouncer, postgres_url, end):
    """The server and PgBouncer each send an error, and the driver expects one."""
    with pgbouncer("transaction") as pooled, psycopg.connect(postgres_url, autocommit=True) as administration:
        engine = open_engine(SecretStr(pooled), name="the warehouse")
        connection = engine.connect()
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
        administration.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        time.sleep(0.2)  # PgBouncer notices on its own clock.
        with pytest.raises(TransientError):
            getattr(connection, end)()
        connection.close()
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT pg_backend_pid()")) != pid
        engine.dispose()

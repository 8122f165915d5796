"""A PostgreSQL server that is killed, drops its clients, or is lost at COMMIT, in the middle of a run."""

import re
import signal
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine

from etl.database.connections import open_engine
from tests.crash.cutting import cutting


def wait_for_requests(ledger, number, process):
    while ledger.night.api.stats.requests < number:
        assert process.poll() is None, "\n".join(process.communicate())
        time.sleep(0.01)  # another process is at work, on its own clock


def ended(process):
    """Wait for a run; returns its exit code and its log."""
    stderr = process.communicate(timeout=600)[1]
    return process.returncode, stderr


def test_a_server_that_is_killed_and_comes_back_costs_nothing(ledger_of, server):
    with ledger_of((server.url(), server.url()), tasks=1_500) as ledger:
        with ledger.run() as process:
            wait_for_requests(ledger, 300, process)
            server.kill()
            ledger.deaths_of_servers += 1
            time.sleep(1)  # for as long as a restart takes
            server.start()
            code, stderr = ended(process)
        assert code == 65, stderr
        assert "database_stumbled" in stderr
        ledger.finish()


def test_a_server_that_stays_away_ends_the_run_and_loses_nothing(ledger_of, server, monkeypatch):
    with ledger_of((server.url(), server.url()), tasks=1_500) as ledger:
        with ledger.run() as process:
            wait_for_requests(ledger, 300, process)
            server.kill()
            ledger.deaths_of_servers += 1
            process.send_signal(signal.SIGTERM)
            code, stderr = ended(process)
        assert code in {69, 75}, stderr
        server.start()
        ledger.audit_killed()
        ledger.finish()


def test_thrown_out_again_and_again(ledger_of, postgres_url):
    url = SecretStr(postgres_url)
    administration = open_engine(url, name="the server")
    throw_out = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'task-audit' AND datname = current_database() AND pid <> pg_backend_pid()"
    )
    with ledger_of((url, url), tasks=2_000) as ledger:
        with ledger.run() as process:
            for requests in (200, 500, 900, 1_300):
                wait_for_requests(ledger, requests, process)
                with administration.connect() as connection:
                    connection.exec_driver_sql(throw_out)
            code, stderr = ended(process)
        assert code == 65, stderr
        assert len(re.findall("database_stumbled", stderr)) >= 4
        ledger.finish()
    administration.dispose()


def wait_for_a_waiter(connection, process):
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"
    while not connection.exec_driver_sql(waiting).scalar_one():
        assert process.poll() is None, "\n".join(process.communicate())
        time.sleep(0.01)  # another process is at work, on its own clock


def test_a_deadlock_with_another_transaction_only_delays_one_batch(ledger_of, postgres_url):
    url = SecretStr(postgres_url)
    administration = open_engine(url, name="the server")
    with administration.begin() as connection:
        # PostgreSQL ends the transaction that looks for a deadlock first: the job's, after three seconds of waiting.
        connection.exec_driver_sql(f"ALTER DATABASE \"{administration.url.database}\" SET deadlock_timeout = '3s'")
    with ledger_of((url, url), tasks=300) as ledger:
        with ledger.run() as process:
            wait_for_requests(ledger, 1, process)
            with administration.begin() as connection:
                connection.exec_driver_sql("SET LOCAL deadlock_timeout = '1min'")
                # A load writes the run's row and then the queue; this takes them in the other order.
                connection.exec_driver_sql("SELECT * FROM pending_task WHERE lease_owner IS NOT NULL FOR UPDATE")
                wait_for_a_waiter(connection, process)
                connection.exec_driver_sql("UPDATE audit_run SET host = host")
            code, stderr = ended(process)
        assert code == 65, stderr
        (stumble,) = [line for line in stderr.splitlines() if "database_stumbled" in line]
        assert "deadlock" in stumble
        ledger.finish()
    administration.dispose()


@pytest.mark.parametrize("seed", [1, 2])
def test_connections_lost_at_commit(ledger_of, postgres_url, seed):
    parts = urlsplit(postgres_url)
    (folder,) = parse_qs(parts.query)["host"]
    with (
        cutting(Path(folder) / ".s.PGSQL.5432", seed=seed) as proxy,
        ledger_of((SecretStr(postgres_url), SecretStr(postgres_url)), tasks=800) as ledger,
    ):
        through = f"postgresql://postgres@127.0.0.1:{proxy.port}{parts.path}?sslmode=disable&gssencmode=disable"
        with ledger.run(source_url=through, warehouse_url=through) as process:
            wait_for_requests(ledger, 1, process)
            proxy.is_armed = True
            code, stderr = ended(process)
        assert min(proxy.cut_before, proxy.cut_after) >= 2, stderr
        assert code == 65, stderr
        # Every claim and every batch counts once, whether its answer came or not.
        assert ledger.night.api.stats.requests == len(ledger.ids) - 1
        ledger.finish()


def test_a_table_that_is_altered_meanwhile(ledger_of, postgres_url):
    url = SecretStr(postgres_url)
    administration = create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://"))
    with ledger_of((url, url), tasks=1_500) as ledger:
        with ledger.run() as process:
            wait_for_requests(ledger, 300, process)
            with administration.begin() as connection:
                connection.exec_driver_sql("ALTER TABLE pending_task RENAME COLUMN fence TO fences")
            code, stderr = ended(process)
            with administration.begin() as connection:
                connection.exec_driver_sql("ALTER TABLE pending_task RENAME COLUMN fences TO fence")
        assert code == 78, stderr
        assert "column pending_task.fence does not exist" in stderr or "fence" in stderr
        assert "Traceback" not in stderr
        ledger.audit_killed()
        ledger.finish()
    administration.dispose()

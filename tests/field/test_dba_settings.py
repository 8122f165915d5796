"""Nights on a PostgreSQL that its administrator has set up in a way of their own."""

import psycopg
import pytest
from pydantic import SecretStr

from etl.fake_api import Behaviour, StatusWeights
from tests.nights import TOKEN, task_ids

pytestmark = [pytest.mark.postgresql, pytest.mark.field]

FINISHED = StatusWeights(new=0, executing=0)
IDS = task_ids(60)


def administer(url, *statements):
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.replace("DATABASE d", f"DATABASE {connection.info.dbname}"))


@pytest.mark.parametrize(
    "setting",
    [
        "DateStyle = 'German'",
        "IntervalStyle = 'sql_standard'",
        "default_transaction_isolation = 'serializable'",
        "idle_session_timeout = 200",
        "idle_in_transaction_session_timeout = 1",
        "lock_timeout = 1",
        "statement_timeout = '20s'",
        "search_path = 'public'",
        "TimeZone = 'Asia/Shanghai'",
        "client_encoding = 'SQL_ASCII'",
        "client_encoding = 'LATIN1'",
        "extra_float_digits = 0",
        "standard_conforming_strings = on",
    ],
)
def test_a_night_with_settings_of_the_database(postgres_url, night_of, monkeypatch, setting):
    # A timeout of the real world is longer than a second, and so is a pause after which the job tests a connection.
    monkeypatch.setattr("etl.database.idle_connections.MAX_IDLE_SECONDS", 0)
    administer(postgres_url, f"ALTER DATABASE d SET {setting}")
    url = SecretStr(postgres_url)
    # The loads of a slow night have pauses in between.
    behaviour = Behaviour(token=TOKEN, weights=FINISHED, latency_seconds=0.25)
    with night_of(behaviour, url, url, run__batch_size=10, api__concurrency=10) as night:
        night.enqueue(*IDS)
        for command in ("doctor", "plan", "run", "status"):
            ended = night.run(command)
            assert ended.exit_code == 0, ended
        assert set(night.facts()) == set(IDS)


@pytest.mark.parametrize(
    ("view", "words"),
    [
        ("SELECT DISTINCT * FROM task_of_others", "source.mode = 'read_only'"),
        ("SELECT * FROM task_of_others WHERE state = 'pending' AND fence = 0 WITH CHECK OPTION", "CHECK OPTION"),
    ],
)
def test_a_view_that_cannot_be_the_pending_table_is_named(postgres_url, night_of, view, words):
    url = SecretStr(postgres_url)
    with night_of(Behaviour(token=TOKEN, weights=FINISHED), url, url) as night:
        night.enqueue(*IDS)
        administer(
            postgres_url,
            "ALTER TABLE pending_task RENAME TO task_of_others",
            f"CREATE VIEW pending_task AS {view}",
        )
        ended = night.run("run")

        assert ended.exit_code == 78, ended
        assert "[database-refused]" in ended.stderr
        assert words in ended.stderr


def test_a_trigger_that_refuses_is_named(postgres_url, night_of):
    url = SecretStr(postgres_url)
    with night_of(Behaviour(token=TOKEN, weights=FINISHED), url, url) as night:
        night.enqueue(*IDS)
        administer(
            postgres_url,
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the table is frozen'; END $$",
            "CREATE TRIGGER frozen BEFORE UPDATE ON pending_task FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        ended = night.run("run")

        assert ended.exit_code == 78, ended
        assert "the table is frozen" in ended.stderr


def test_a_transaction_timeout_is_no_bug(postgres_url, night_of):
    url = SecretStr(postgres_url)
    with night_of(Behaviour(token=TOKEN, weights=FINISHED), url, url) as night:
        night.enqueue(*IDS)
        administer(
            postgres_url,
            "ALTER DATABASE d SET transaction_timeout = '200ms'",
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_sleep(0.4); RETURN NULL; END $$",
            "CREATE TRIGGER slow BEFORE UPDATE ON pending_task FOR EACH STATEMENT EXECUTE FUNCTION wait()",
        )
        ended = night.run("run", "--max-duration", "2s")

        assert ended.exit_code in {69, 75}, ended


def test_a_statement_timeout_does_not_end_a_wait_for_a_lock_as_a_bug(postgres_url, night_of):
    """A statement may take less time than the lock is held: the run ends as for any lock, and the next completes."""
    url = SecretStr(postgres_url)
    with night_of(Behaviour(token=TOKEN, weights=FINISHED), url, url) as night:
        night.enqueue(*IDS)
        administer(postgres_url, "ALTER DATABASE d SET statement_timeout = '500ms'")
        with psycopg.connect(postgres_url) as holder:
            holder.execute("SET statement_timeout = 0")
            holder.execute("LOCK TABLE fact_task_status IN ACCESS EXCLUSIVE MODE")
            ended = night.run("run", "--max-duration", "5s")
        assert ended.exit_code in {69, 75}, ended
        assert "lock" in ended.stderr
        assert night.run("run").exit_code == 0
        assert set(night.facts()) == set(IDS)

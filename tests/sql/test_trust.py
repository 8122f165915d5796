"""What each kind of user of the databases can do at worst, as docs/how-to/rights.md says, on a real server."""

import re

import psycopg
import pytest

from etl.exit_codes import ExitCode
from etl.resources import resource
from tests.nights import task_ids
from tests.sql.roles import ANALYST, JOB, name_of

pytestmark = pytest.mark.postgresql

IDS = task_ids(12)
HIJACK = """
CREATE FUNCTION public.div(numeric, integer) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN RAISE EXCEPTION 'the function of another user ran'; END $$;
"""

FORGED = {
    "1": {"fence": 2**63 - 1},
    "2": {"fence": -(2**63), "attempts": 2**31 - 1},
    "3": {"attempts": -(2**31)},
    "4": {"lease_owner": "'x'", "lease_until": "'2099-01-01'"},
    "5": {"lease_until": "'infinity'", "attempts": 2**31 - 1},
    "6": {"next_check_at": "'infinity'", "last_checked_at": "'2099-01-01'"},
    "7": {"lease_owner": "repeat('x', 1000000)", "last_error": "repeat('x', 1000000)"},
}
"""The values of other columns, by task ID."""


@pytest.fixture
def as_user(user_of):
    """Connect as a user with a role, or with the rights that the owner grants: ``as_user(role)``."""
    connections = []

    def connect(role=None):
        connections.append(psycopg.connect(user_of(role).get_secret_value(), autocommit=True))
        return connections[-1]

    yield connect
    for connection in connections:
        connection.close()


@pytest.fixture
def night(granted_night, user_of, configure):
    """A night that runs as the job, with nothing but its role."""
    job = user_of(JOB).get_secret_value()
    configure(source__url=job, warehouse__url=job)
    return granted_night


def test_a_function_of_another_user_is_not_called(night, as_user, postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as administration:
        administration.execute("GRANT USAGE, CREATE ON SCHEMA public TO PUBLIC")
        as_user().execute(HIJACK)
        refused = night.run("run")
        assert (refused.exit_code, "[schema-open]" in refused.stderr) == (ExitCode.CONFIGURATION, True)
        # The function stays.
        administration.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    night.enqueue(*IDS)
    assert night.run("run").exit_code == ExitCode.OK
    assert set(night.facts()) == set(IDS)


def test_a_feeder_with_the_documented_right_adds_tasks_and_no_more(granted_night, night, as_user):
    feeder = as_user()
    granted_night.change(f"GRANT USAGE ON SCHEMA public TO {feeder.info.user}")
    granted_night.change(f"GRANT INSERT (task_id, submitted_at) ON pending_task TO {feeder.info.user}")
    feeder.execute("INSERT INTO pending_task (task_id, submitted_at) VALUES (%s, now())", [IDS[0]])
    for statement in (
        "INSERT INTO pending_task (task_id, state) VALUES ('1', 'done')",
        "INSERT INTO pending_task (task_id, fence) VALUES ('1', 1)",
        "SELECT task_id FROM pending_task",
        "UPDATE pending_task SET task_id = '1'",
        "DELETE FROM pending_task",
        "SELECT FROM fact_task_status",
        "BEGIN; LOCK TABLE pending_task IN SHARE MODE",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            feeder.execute(statement)
        feeder.execute("ROLLBACK")
    assert night.run("run").exit_code == ExitCode.OK
    assert set(night.facts()) == {IDS[0]}


def test_a_feeder_adds_no_text_that_fills_the_memory(granted_night, night, as_user):
    feeder = as_user()
    granted_night.change(f"GRANT USAGE ON SCHEMA public TO {feeder.info.user}")
    granted_night.change(f"GRANT INSERT (task_id, submitted_at) ON pending_task TO {feeder.info.user}")
    for characters in (501, 2_000):
        with pytest.raises(psycopg.errors.CheckViolation, match="pending_task_task_id"):
            feeder.execute("INSERT INTO pending_task (task_id) VALUES (repeat('x', %s))", [characters])
    feeder.execute("INSERT INTO pending_task (task_id) VALUES (repeat('x', 500))")
    assert night.run("run").exit_code == ExitCode.DEAD_LETTERS


def test_a_feeder_with_the_whole_table_neither_stops_nor_holds_up_a_run(granted_night, night, as_user):
    feeder = as_user()
    granted_night.change(f"GRANT USAGE ON SCHEMA public TO {feeder.info.user}")
    granted_night.change(f"GRANT INSERT ON pending_task TO {feeder.info.user}")
    for task_id, values in FORGED.items():
        names, written = ", ".join(values), ", ".join(map(str, values.values()))
        feeder.execute(f"INSERT INTO pending_task (task_id, {names}) VALUES ({task_id}, {written})")
    night.enqueue(*IDS)
    assert night.run("run", "--max-duration", "60s").exit_code == ExitCode.OK
    assert set(night.facts()) == {*IDS, *FORGED}


def test_a_task_that_a_feeder_inserts_as_done_is_shown(granted_night, night):
    granted_night.change(f"INSERT INTO pending_task (task_id, state) VALUES ('{IDS[0]}', 'done')")
    assert night.run("enqueue", *IDS).stdout == f"{len(IDS) - 1} new, 1 already there (1 done).\n"
    assert night.run("run").exit_code == ExitCode.OK
    assert "done, but without a finished fact" in night.run("query", "reconciliation").stdout


def test_an_analyst_fills_no_disk_and_holds_up_no_load(granted_night, night, as_user):
    analyst = as_user(ANALYST)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        analyst.execute("CREATE TEMPORARY TABLE mine AS SELECT * FROM fact_task_status")
    for lock in ("LOCK TABLE fact_task_status IN SHARE MODE", "SELECT FROM task_audit_version FOR SHARE"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            analyst.execute(f"BEGIN; {lock}")
        analyst.execute("ROLLBACK")
    analyst.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM v_task_status; SELECT * FROM audit_run")
    night.enqueue(*IDS)
    assert night.run("run", "--max-duration", "60s").exit_code == ExitCode.OK
    assert set(night.facts()) == set(IDS)


def test_the_settings_of_an_analyst_refuse_writing_and_end_long_questions(granted_night, owner, user_of):
    page = resource("docs", "how-to", "rights.md").read_text(encoding="utf-8")
    analyst = user_of(ANALYST)
    with owner.begin() as connection:
        for statement in re.findall(r"^ALTER ROLE ann (.+);$", page, re.MULTILINE):
            connection.exec_driver_sql(f"ALTER ROLE {name_of(analyst)} {statement}")
    with psycopg.connect(analyst.get_secret_value(), autocommit=True) as connection:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("SELECT lo_create(0)")
        assert connection.execute("SHOW statement_timeout").fetchone() == ("5min",)
        connection.execute("SELECT * FROM v_task_status")


def test_the_job_deletes_no_fact_and_changes_no_table(granted_night, as_user):
    job = as_user(JOB)
    for statement in (
        "DELETE FROM fact_task_status",
        "DELETE FROM dead_letter",
        "DELETE FROM audit_run",
        "DELETE FROM pending_task",
        "TRUNCATE fact_task_status",
        "ALTER TABLE fact_task_status ADD COLUMN mine text",
        "CREATE TABLE mine (id int)",
        "CREATE OR REPLACE VIEW v_task_status AS SELECT 1",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            job.execute(statement)

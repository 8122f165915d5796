"""The roles of sql/grants: the job does all its work with its own, and analysts read and no more."""

import re
from zlib import crc32

import psycopg
import pytest
from sqlalchemy.exc import SQLAlchemyError

from etl.database.connections import open_engine
from etl.errors import ConfigurationError
from etl.exit_codes import ExitCode
from etl.jobs.doctor.databases import WRITES, examine_queue, examine_warehouse
from etl.settings.load import load_configuration
from etl.warehouse.read.questions import questions
from etl.warehouse.sql_files import sql_files
from etl.warehouse.tables import METADATA
from tests.nights import task_ids
from tests.sql.roles import ANALYST, GRANTS, JOB, name_of, run_grants


@pytest.fixture
def night(granted_night):
    return granted_night


def test_the_job_does_all_its_work_with_its_role(night, user_of, configure, task_audit, tmp_path):
    user = user_of(JOB).get_secret_value()
    configure(source__url=user, warehouse__url=user)
    labels = tmp_path / "labels.csv"
    assert task_audit("enqueue", *task_ids(40)).exit_code == ExitCode.OK
    night.change("INSERT INTO pending_task (task_id) VALUES ('not-an-id')")
    assert task_audit("run").exit_code in {ExitCode.OK, ExitCode.DEAD_LETTERS}
    assert task_audit("run", "--refetch", "--since", "2019-01-01").exit_code == ExitCode.OK
    assert task_audit("status").exit_code == ExitCode.OK
    labels.write_text(task_audit("labels", "export").stdout)
    assert task_audit("labels", "import", labels).exit_code == ExitCode.OK
    assert task_audit("query", "reconciliation").exit_code == ExitCode.OK
    assert len(night.facts()) == 40


def test_doctor_finds_each_right_that_a_run_needs_and_asks_for_no_other(night, user_of, owner, configure):
    user = user_of(JOB).get_secret_value()
    configure(source__url=user, warehouse__url=user)
    assert night.run("doctor").exit_code == ExitCode.OK
    configuration = load_configuration()
    needed = {("pending_task", "update"), ("pending_task_rate", "update"), ("task_audit_version", "update")}
    needed |= {(table, kind) for table, kinds in WRITES.items() for kind in kinds}
    for table, kind in sorted(needed):
        with owner.begin() as connection:
            connection.exec_driver_sql(f"REVOKE {kind} ON {table} FROM {JOB}")
        examine = examine_queue if table.startswith("pending") else examine_warehouse
        with pytest.raises(ConfigurationError, match=f"permission denied for table {table}"):
            list(examine(configuration))
        with owner.begin() as connection:
            connection.exec_driver_sql(f"GRANT {kind} ON {table} TO {JOB}")


def test_a_run_does_with_the_rights_that_doctor_tries(night, user_of, owner, configure):
    user = user_of(JOB).get_secret_value()
    night.enqueue(*task_ids(40), "not-an-id")
    with owner.begin() as connection:
        for table in ("pending_task", *METADATA.tables):
            connection.exec_driver_sql(f"REVOKE INSERT, UPDATE, DELETE ON {table} FROM {JOB}")
        for table, kinds in {"pending_task": {"update"}, **WRITES}.items():
            connection.exec_driver_sql(f"GRANT {', '.join(kinds)} ON {table} TO {JOB}")
    configure(source__url=user, warehouse__url=user)
    assert night.run("run").exit_code == ExitCode.DEAD_LETTERS
    assert night.run("run", "--refetch", "--since", "2019-01-01").exit_code == ExitCode.OK


def test_the_job_may_not_change_the_schema(night, user_of, configure, task_audit):
    user = user_of(JOB)
    configure(source__url=user.get_secret_value(), warehouse__url=user.get_secret_value())
    refused = task_audit("init")
    assert refused.exit_code == ExitCode.CONFIGURATION
    assert "permission denied" in refused.stderr
    engine = open_engine(user, name="the warehouse")
    for statement in ("TRUNCATE fact_task_status", "DELETE FROM dead_letter", "DROP VIEW v_run_health"):
        with pytest.raises((ConfigurationError, SQLAlchemyError)), engine.begin() as connection:
            connection.exec_driver_sql(statement)
    engine.dispose()


def test_analysts_read_everything_and_write_nothing(night, user_of, configure, task_audit, tmp_path):
    engine = open_engine(user_of(ANALYST), name="the warehouse")
    for name in [*METADATA.tables, *(file.stem for file in sql_files("views", "postgresql"))]:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"SELECT * FROM {name}").all()
        for statement in (f"DELETE FROM {name}", f"CREATE TABLE {name}_mine AS SELECT * FROM {name}"):
            with pytest.raises((ConfigurationError, SQLAlchemyError)), engine.begin() as connection:
                connection.exec_driver_sql(statement)
    with pytest.raises((ConfigurationError, SQLAlchemyError)), engine.connect() as connection:
        connection.exec_driver_sql("SELECT * FROM pending_task")
    configure(warehouse__url=engine.url.render_as_string(hide_password=False))
    for name, question in questions("postgresql").items():
        if not question.reads_queue:
            given = ["--param", "task_id=1"] if name == "task_story" else []
            given += ["--param", "at=2026-11-03T12:00"] if name == "as_of" else []
            assert task_audit("query", name, *given).exit_code == ExitCode.OK, name
    assert task_audit("export", "--out", tmp_path / "out").exit_code == ExitCode.OK
    engine.dispose()


def test_an_owner_without_createrole_grants_what_is_there(owner, user_of, postgres_url, task_audit, configure):
    with owner.begin() as connection:
        for role in (JOB, ANALYST):
            connection.exec_driver_sql(f"DROP ROLE IF EXISTS {role}")
    plain = user_of()
    with owner.begin() as connection:
        connection.exec_driver_sql(f"GRANT ALL ON SCHEMA public TO {name_of(plain)} WITH GRANT OPTION")
    configure(source__url=plain.get_secret_value(), warehouse__url=plain.get_secret_value())
    assert task_audit("init").exit_code == ExitCode.OK
    engine = open_engine(plain, name="the warehouse")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied to create role"):
        run_grants(engine, "warehouse")
    with owner.begin() as connection:
        for role in (JOB, ANALYST):
            connection.exec_driver_sql(f"CREATE ROLE {role} NOLOGIN")
            connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA public TO {role}")
    run_grants(engine, "warehouse", "pending_table")
    engine.dispose()
    job = user_of(JOB).get_secret_value()
    configure(source__url=job, warehouse__url=job)
    assert task_audit("enqueue", *task_ids(3)).exit_code == ExitCode.OK
    assert task_audit("status").exit_code == ExitCode.OK


def test_a_stranger_holds_up_neither_a_load_nor_an_init(night, user_of):
    stranger = user_of()
    with psycopg.connect(stranger.get_secret_value(), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [crc32(b"task-audit load None")])
        connection.execute("SELECT pg_advisory_lock(hashtext('task-audit init'))")
        for lock in ("BEGIN; LOCK TABLE public.task_audit_version", "SELECT FROM public.task_audit_version FOR SHARE"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(lock)
            connection.execute("ROLLBACK")
        night.enqueue(*task_ids(3))
        assert night.run("run", "--max-duration", "20s").exit_code == ExitCode.OK
        assert night.run("init").exit_code == ExitCode.OK


def test_every_table_and_view_is_granted():
    granted = re.findall(r"^    ([a-z_]+),?$", (GRANTS / "warehouse.sql").read_text(encoding="utf-8"), re.MULTILINE)
    names = {"task_audit_version", *METADATA.tables, *(file.stem for file in sql_files("views", "postgresql"))}
    assert set(granted) == names
    assert all(granted.count(name) == 2 for name in names)

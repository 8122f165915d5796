"""The roles of sql/grants: the job does all its work with its own, and analysts read and no more."""

import re
from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError

from etl.database.connections import open_engine
from etl.errors import ConfigurationError
from etl.exit_codes import ExitCode
from etl.fake_api import Behaviour
from etl.resources import resource
from etl.warehouse.read.questions import questions
from etl.warehouse.sql_files import sql_files
from etl.warehouse.tables import METADATA
from tests.nights import TOKEN, task_ids

GRANTS = resource("sql", "grants", "postgresql")
JOB, ANALYST = "task_audit_job", "task_audit_analyst"


@pytest.fixture
def owner(postgres_url):
    engine = open_engine(SecretStr(postgres_url), name="the warehouse")
    yield engine
    engine.dispose()


@pytest.fixture
def user_of(owner, postgres_url):
    """Make a user with nothing but a role, in a database where PUBLIC has no rights; returns a URL."""
    made = []

    def make(role):
        name = f"user_{uuid4().hex}"
        with owner.begin() as connection:
            connection.exec_driver_sql(f"CREATE USER {name} IN ROLE {role}")
        made.append(name)
        return SecretStr(postgres_url.replace("postgres:@", f"{name}:@"))

    yield make
    with owner.begin() as connection:
        for name in made:
            connection.exec_driver_sql(f"DROP USER {name}")


def grant(owner, *names):
    with owner.begin() as connection:
        connection.exec_driver_sql(f"REVOKE ALL ON DATABASE {owner.url.database} FROM PUBLIC")
        connection.exec_driver_sql("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        for name in names:
            # As psql would: many statements, and no parameters.
            connection.connection.cursor().execute((GRANTS / f"{name}.sql").read_text(encoding="utf-8"))


@pytest.fixture
def night(night_of, owner, postgres_url):
    url = SecretStr(postgres_url)
    with night_of(Behaviour(token=TOKEN), url, url) as night:
        grant(owner, "warehouse", "pending_table")
        # And again, as after every init.
        grant(owner, "warehouse", "pending_table")
        yield night


def test_the_job_does_all_its_work_with_its_role(night, user_of, configure, task_audit, tmp_path):
    user = user_of(JOB).get_secret_value()
    configure(source__url=user, warehouse__url=user)
    labels = tmp_path / "labels.csv"
    assert task_audit("enqueue", *task_ids(40), "not-an-id").exit_code == ExitCode.OK
    assert task_audit("run").exit_code in {ExitCode.OK, ExitCode.DEAD_LETTERS}
    assert task_audit("run", "--refetch", "--since", "2019-01-01").exit_code == ExitCode.OK
    assert task_audit("status").exit_code == ExitCode.OK
    labels.write_text(task_audit("labels", "export").stdout)
    assert task_audit("labels", "import", labels).exit_code == ExitCode.OK
    assert task_audit("query", "reconciliation").exit_code == ExitCode.OK
    assert len(night.facts()) == 40


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


def test_analysts_read_everything_and_write_nothing(night, user_of, configure, task_audit):
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
    engine.dispose()


def test_every_table_and_view_is_granted():
    granted = re.findall(r"^    (\w+),?$", (GRANTS / "warehouse.sql").read_text(encoding="utf-8"), re.MULTILINE)
    names = {"task_audit_version", *METADATA.tables, *(file.stem for file in sql_files("views", "postgresql"))}
    assert set(granted) == names
    assert all(granted.count(name) == 2 for name in names)

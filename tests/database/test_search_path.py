"""The job searches no schema that every user of the database may write to."""

import json

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from etl.database.connections import open_engine
from etl.error_codes import Code
from etl.errors import ConfigurationError
from etl.exit_codes import ExitCode
from tests.nights import task_ids

pytestmark = pytest.mark.postgresql


@pytest.fixture
def administration(postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


def path_of(url, **how):
    engine = open_engine(SecretStr(url), name="the warehouse", **how)
    try:
        with engine.connect() as connection:
            path = connection.exec_driver_sql("SELECT current_schemas(true)::text[]").scalar_one()
            return [schema for schema in path if not schema.startswith("pg_temp")]
    finally:
        engine.dispose()


def test_pg_catalog_comes_first_wherever_the_role_has_it(administration, postgres_url):
    administration.execute("CREATE SCHEMA audit; CREATE SCHEMA other")
    name = sql.Identifier(administration.info.dbname)
    administration.execute(sql.SQL("ALTER DATABASE {} SET search_path = public, pg_catalog, other").format(name))
    assert path_of(postgres_url) == ["pg_catalog", "public", "other"]
    assert path_of(postgres_url, schema="audit") == ["pg_catalog", "audit", "public", "other"]
    assert path_of(postgres_url, schema="other") == ["pg_catalog", "other", "public"]


def test_a_schema_of_public_is_left_out_and_init_and_doctor_say_so(administration, postgres_url, night_of):
    administration.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    url = SecretStr(postgres_url)
    where = {"source__table": "audit.pending_task", "warehouse__schema": "audit"}
    with night_of(source_url=url, warehouse_url=url, **where) as night:
        assert "does not search the schema public" in night.run("init").stderr
        night.enqueue(*task_ids(3))
        assert night.run("run").exit_code == ExitCode.OK
        findings = [each for each in json.loads(night.run("doctor", "--json").stdout) if each["state"] == "warning"]
        assert {each["subject"] for each in findings} == {"pending database", "warehouse"}
        assert all("REVOKE CREATE ON SCHEMA public FROM PUBLIC" in each["remedy"] for each in findings)


def test_tables_in_a_schema_of_public_are_refused(administration, postgres_url, task_audit, configure):
    configure(source__url=postgres_url, warehouse__url=postgres_url, api__user_id="1", api__token="t")
    assert task_audit("init").exit_code == ExitCode.OK
    administration.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    for command in ("init", "run", "status", "doctor"):
        ended = task_audit(command)
        assert ended.exit_code == ExitCode.CONFIGURATION
        assert 'REVOKE CREATE ON SCHEMA "public" FROM PUBLIC' in ended.stdout + ended.stderr
    with pytest.raises(ConfigurationError, match="schema public") as refused:
        path_of(postgres_url, schema="public")
    assert refused.value.code is Code.SCHEMA_OPEN
    # A table that is named with its schema needs no search path.
    assert path_of(postgres_url, finds_tables=False) == ["pg_catalog"]
    administration.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    assert task_audit("status").exit_code == ExitCode.OK

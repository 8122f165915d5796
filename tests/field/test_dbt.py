"""The page on dbt and the contract, step by step: real dbt and datacontract, from wheels, on DuckDB and PostgreSQL."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr
from sqlalchemy import make_url

from etl.resources import resource
from tests.documents.pages import ROOT, Command, File, Statement, steps, text_of
from tests.field.parts import environment_with
from tests.nights import task_ids
from tests.sql.roles import owner_of

PAGE = text_of("docs/how-to/dbt.md")
STEPS = list(steps(PAGE))
(PROFILE,) = re.findall(r"```yaml\n(leavers:.*?)```", PAGE, re.DOTALL)
TOOLS = ("dbt-core==1.11.16", "dbt-duckdb==1.11.1", "dbt-postgres==1.11.0", "datacontract-cli[duckdb,postgres]==1.2.8")
LAST_RELEASE = "2026-11-28"


@pytest.fixture(scope="module")
def programs():
    """Yield the folder of the programs dbt and datacontract."""
    with environment_with(*TOOLS, until=LAST_RELEASE) as python:
        yield Path(python).parent


@pytest.fixture
def project(tmp_path, programs):
    """Write the files of the page, with other values in their place; returns a function that types its commands."""

    def write(replaced, variables=()):
        (tmp_path / "sql").symlink_to(resource("sql"))
        for step in STEPS:
            if isinstance(step, File):
                text = step.text
                for old, new in replaced.items():
                    text = text.replace(old, new)
                file = tmp_path / step.name
                file.parent.mkdir(exist_ok=True)
                file.write_text(text, encoding="utf-8")
        known = {name: value for name, value in os.environ.items() if not name.startswith("TASK_AUDIT_")}
        # dbt would otherwise ask a server where to send its statistics.
        known |= {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "NO_COLOR": "1", **dict(variables)}
        known["PATH"] = f"{programs}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        known["PYTHONPATH"] = str(ROOT)

        def type_commands():
            return {step.words: run(step.words, known, tmp_path) for step in STEPS if isinstance(step, Command)}

        return type_commands

    return write


def run(words, environment, folder):
    done = subprocess.run(words, shell=True, env=environment, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S602
    assert done.returncode == 0, f"{words}\n{done.stdout[-3000:]}{done.stderr[-2000:]}"
    return done.stdout


def assert_whole(printed):
    """Every test has passed, and none has warned; the contract fits in every check."""
    built = re.search(r"PASS=(\d+) WARN=0 ERROR=0 SKIP=0", printed["dbt build"])
    assert int(built[1]) > 90
    assert "PASS freshness of task_audit.audit_run" in printed["dbt source freshness"]
    checks = re.search(r"Data contract is valid\. Ran (\d+) checks", printed["datacontract test contract.yaml"])
    assert int(checks[1]) > 400


def audited(night):
    night.enqueue(*task_ids(60), "not-an-id")
    assert night.run("run").exit_code == 65


def test_the_page_on_duckdb(night_of, project, tmp_path):
    copy = tmp_path / "tasks.duckdb"
    with night_of(warehouse_url=SecretStr(f"duckdb:///{tmp_path}/w.duckdb"), warehouse__read_copy=copy) as night:
        audited(night)
    server = "    type: duckdb\n    database: " + str(copy) + "\n"
    replaced = {
        "/srv/analysts/tasks.duckdb": str(copy),
        "    type: postgres\n": server,
        "schema: audit": "schema: main",
    }
    replaced |= {"    host: db.internal\n    port: 5432\n    database: warehouse\n": ""}
    assert_whole(project(replaced)())


@pytest.mark.postgresql
def test_the_page_on_postgresql(granted_night, project, postgres_url, owner):
    audited(granted_night)
    url = make_url(postgres_url)
    place = {"db.internal": url.query["host"], "dbname: warehouse": f"dbname: {url.database}"}
    replaced = {"task_audit_database: tasks": f"task_audit_database: {url.database}", "schema: audit": "schema: public"}
    replaced |= {
        "task_audit_schema: main": "task_audit_schema: public",
        "database: warehouse": f"database: {url.database}",
    }
    profile = PROFILE
    for old, new in place.items():
        profile = profile.replace(old, new)
    yaml.safe_load(profile)
    (duckdb,) = (step.text for step in STEPS if isinstance(step, File) and step.name == "profiles.yml")
    variables = {"DATACONTRACT_POSTGRES_USERNAME": "dbt", "DATACONTRACT_POSTGRES_PASSWORD": "unused"}
    with owner.begin() as connection:
        for step in STEPS:
            if isinstance(step, Statement):
                connection.exec_driver_sql(step.text)
    try:
        assert_whole(project({duckdb: profile, **place, **replaced}, variables)())
    finally:
        with owner_of(postgres_url) as engine, engine.begin() as connection:
            connection.exec_driver_sql("DROP OWNED BY dbt CASCADE")
            connection.exec_driver_sql("DROP ROLE dbt")

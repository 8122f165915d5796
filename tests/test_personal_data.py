"""A person's name in the rows of a run gets into the facts and the log, and into nothing that reports an error."""

import json
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError

from etl.database.connections import open_engine
from tests.nights import task_ids
from tests.places import SERVERS, WAREHOUSES
from tests.repeating_api import repeating

PERSON = "Wang-Fang-4711"

UNIQUE = "CREATE UNIQUE INDEX one_of_each ON fact_task_status (task_name)"

RAISE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION USING MESSAGE = 'nothing about ' || NEW.task_name || ' here'; END $$
"""

SIGNAL = """
CREATE TRIGGER refuse BEFORE INSERT ON fact_task_status FOR EACH ROW BEGIN
    DECLARE words TEXT DEFAULT concat('nothing about ', NEW.task_name, ' here');
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = words;
END
"""

REFUSALS = {
    "duckdb": ([UNIQUE], 70, "ConstraintException"),
    "a trigger of mysql": ([SIGNAL], 70, "OperationalError (SQLSTATE 45000)"),
    "postgresql": ([UNIQUE], 70, "UniqueViolation (SQLSTATE 23505)"),
    "a check of postgresql": (
        [f"ALTER TABLE fact_task_status ADD CHECK (task_name <> '{PERSON}')"],
        70,
        "CheckViolation (SQLSTATE 23514)",
    ),
    "a trigger of postgresql": (
        [RAISE, "CREATE TRIGGER t BEFORE INSERT ON fact_task_status FOR EACH ROW EXECUTE FUNCTION refuse()"],
        78,
        "RaiseException (SQLSTATE P0001): the log has its text",
    ),
}
"""Statements that make the warehouse refuse facts with a name, the exit code, and how the error is named."""


def engine_in(name):
    return name.rpartition(" ")[2]


@pytest.fixture(
    params=[
        pytest.param(name, marks=getattr(pytest.mark, engine_in(name)))
        for name in REFUSALS
        if engine_in(name) in WAREHOUSES
    ]
)
def refusal(request, tmp_path):
    """The URL of an empty warehouse, and how it will refuse a load."""
    engine = engine_in(request.param)
    fixture = SERVERS.get(engine)
    url = request.getfixturevalue(fixture) if fixture else f"{engine}:///{tmp_path}/warehouse.{engine}"
    return SecretStr(url), *REFUSALS[request.param]


def test_an_error_of_the_warehouse_names_no_person(refusal, night_of, configure, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    url, statements, exit_code, name = refusal
    with night_of(None, None, url) as night, repeating() as api:
        api.task_name = PERSON
        configure(
            api__base_url=api.url,
            telemetry__metrics_textfile="metrics.prom",
            telemetry__pushgateway_url=f"{api.url}/push",
            telemetry__otlp_endpoint=f"{api.url}/otlp",
            telemetry__openlineage_url=f"{api.url}/lineage",
            notify__webhook_url=f"{api.url}/hook",
        )
        for statement in statements:
            night.change(statement, "warehouse")
        night.enqueue(*task_ids(1_010)[-3:])

        ended = night.run("run", "--json", "--log-format", "json")

        assert ended.exit_code == exit_code
        error = json.loads(ended.stdout)["error"]
        assert name in error
        assert PERSON in ended.stderr, "the log has the whole error"
        assert night.run("report", "--out", "report.html").exit_code == 0
        shown = [night.run(*command).stdout for command in (("status",), ("query", "last_runs"), ("notify",))]
        assert {path.split("/")[1] for path, _ in api.posts} == {"push", "otlp", "lineage", "hook"}
        reported = [
            error,
            *shown,
            Path("report.html").read_text(encoding="utf-8"),
            Path("metrics.prom").read_text(encoding="utf-8"),
            *(body.decode(errors="replace") for _, body in api.posts),
            *(
                str(night.rows(f"SELECT * FROM {table}"))
                for table in ("audit_run", "audit_run_counter", "notification")
            ),
            str(night.rows("SELECT * FROM pending_task", "source")),
        ]
        assert not [place for place in reported if PERSON in place]


def test_a_condition_that_fails_on_a_row_names_no_person(postgres_url, night_of, configure):
    url = SecretStr(postgres_url)
    with night_of(None, url, url) as night:
        night.change(f"CREATE TABLE people AS SELECT '1' AS id, '{PERSON}' AS name")
        configure(
            source__mode="read_only",
            source__table="people",
            source__task_id_column="id",
            source__where="CAST(name AS integer) > 0",
        )

        ended = night.run("run", "--json")

        assert ended.exit_code == 78
        line = next(line for line in ended.stderr.splitlines() if "[source-unreadable]" in line or "Error" in line)
        assert "InvalidTextRepresentation (SQLSTATE 22P02): invalid input syntax for type integer: …" in line
        assert PERSON not in line


def test_an_error_does_not_quote_the_values_of_a_statement(tmp_path):
    engine = open_engine(SecretStr(f"sqlite:///{tmp_path}/new.sqlite"), name="a database", create=True)
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE person (name TEXT UNIQUE)")
        connection.exec_driver_sql("INSERT INTO person VALUES (?)", (PERSON,))
        with pytest.raises(DBAPIError) as raised:
            connection.exec_driver_sql("INSERT INTO person VALUES (?)", (PERSON,))
    engine.dispose()

    assert PERSON not in str(raised.value)

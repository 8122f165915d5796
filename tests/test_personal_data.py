"""A person's name in the rows of a run gets into the facts and the log, and into nothing that reports an error."""

import json
from pathlib import Path

import polars as pl
import pytest
from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError

from etl.database.connections import open_engine
from tests.nights import task_ids
from tests.places import SERVERS, WAREHOUSES
from tests.repeating_api import JSON, error, good, repeating

PERSON = "Wang-Fang-4711"


def names_person(text):
    return PERSON.lower() in text.lower()


UNIQUE = "CREATE UNIQUE INDEX one_of_each ON fact_task_status (task_name)"

RAISE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION USING {code} MESSAGE = 'nothing about ' || NEW.task_name || ' here'; END $$
"""

ON_INSERT = "CREATE TRIGGER t BEFORE INSERT ON fact_task_status FOR EACH ROW EXECUTE FUNCTION refuse()"

SIGNAL = """
CREATE TRIGGER refuse BEFORE INSERT ON fact_task_status FOR EACH ROW BEGIN
    DECLARE words TEXT DEFAULT concat('nothing about ', NEW.task_name, ' here');
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = words;
END
"""

REFUSALS = {
    "duckdb": ([UNIQUE], 70, "ConstraintException"),
    "sqlite": ([UNIQUE], 70, "IntegrityError (SQLITE_CONSTRAINT_UNIQUE)"),
    "a trigger of mysql": ([SIGNAL], 70, "OperationalError (SQLSTATE 45000)"),
    "postgresql": ([UNIQUE], 70, "UniqueViolation (SQLSTATE 23505)"),
    "a check of postgresql": (
        [f"ALTER TABLE fact_task_status ADD CHECK (task_name <> '{PERSON}')"],
        70,
        "CheckViolation (SQLSTATE 23514)",
    ),
    "a trigger of postgresql": (
        [RAISE.format(code=""), ON_INSERT],
        78,
        "RaiseException (SQLSTATE P0001): the log has its text",
    ),
    "a trigger that speaks of a full disk, of postgresql": (
        [RAISE.format(code="ERRCODE = '53100',"), ON_INSERT],
        69,
        "DiskFull (SQLSTATE 53100): the log has its text",
    ),
}
"""Statements that make the warehouse refuse facts with a name, the exit code, and how the error is named."""


def targets(api):
    """Settings that make an API the receiver of all reports as well."""
    return {
        "api__base_url": api.url,
        "telemetry__metrics_textfile": "metrics.prom",
        "telemetry__pushgateway_url": f"{api.url}/push",
        "telemetry__otlp_endpoint": f"{api.url}/otlp",
        "telemetry__openlineage_url": f"{api.url}/lineage",
        "notify__webhook_url": f"{api.url}/hook",
    }


def assert_reported_without_the_person(night, api, receivers=frozenset({"push", "otlp", "lineage", "hook"})):
    """Look for the person in the tables of runs, messages and tasks, and in what people and programs have received."""
    reports = {
        command: night.run(*command).stdout
        for command in (("report",), ("status", "--json"), ("query", "last_runs"), ("query", "drift"), ("notify",))
    }
    assert reports["report",].startswith("<!DOCTYPE html>")
    assert {path.split("/")[1] for path, _ in api.posts} == receivers
    tables = {
        table: str(night.rows(f"SELECT * FROM {table}", where))
        for where, table in (
            ("warehouse", "audit_run"),
            ("warehouse", "audit_run_counter"),
            ("warehouse", "notification"),
            ("source", "pending_task"),
        )
    }
    metrics = {"metrics": Path("metrics.prom").read_text(encoding="utf-8")}
    posted = {f"{path} ({number})": body.decode(errors="replace") for number, (path, body) in enumerate(api.posts)}
    places = reports | tables | metrics | posted
    found = night.rows("SELECT error FROM audit_run")
    assert [place for place, content in places.items() if names_person(content)] == [], found


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
        configure(**targets(api))
        for statement in statements:
            night.change(statement, "warehouse")
        night.enqueue(*task_ids(1_010)[-3:])

        ended = night.run("run", "--json", "--log-format", "json")

        assert ended.exit_code == exit_code
        error = json.loads(ended.stdout)["error"]
        assert name in error
        assert names_person(ended.stderr) or "SQLITE" in name, "the log has the whole error"
        assert PERSON not in error
        assert_reported_without_the_person(night, api)


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


def says(status, code):
    return lambda _task_id: error(status, code, f"{PERSON} may not do this")


def page(status, title):
    return lambda _task_id: (status, {"Content-Type": "text/html"}, f"<title>{title}</title>")


ANSWERS = {
    "a gateway that refuses": (says(403, "APIGW.0304"), 77, "HTTP 403 APIGW.0304"),
    "a gateway without the address": (says(404, "APIGW.0101"), 78, "HTTP 404 APIGW.0101"),
    "a quota": (says(403, "APIGW.0501"), 69, "HTTP 403 APIGW.0501"),
    "credentials": (says(401, "APIGW.0301"), 77, "HTTP 401 APIGW.0301"),
    "a portal": (page(511, PERSON), 69, "HTTP 511"),
    "every task forbidden": (says(403, "13000410"), 77, "HTTP 403 13000410"),
    "every request refused": (says(400, "13000999"), 78, "HTTP 400 13000999"),
    "an outage": (says(500, "APIGW.0601"), 69, "HTTP 500 APIGW.0601"),
    "an outage whose code is a name": (says(500, PERSON), 69, "HTTP 500"),
    "a page of another server": (page(200, f"Welcome {PERSON}"), 69, "HTTP 200"),
    "a kind of content": (lambda _task_id: (200, {"Content-Type": f"text/{PERSON}"}, "x"), 69, "HTTP 200"),
    "a redirect": (lambda _: (302, {"Location": f"http://127.0.0.1:9/{PERSON}"}, PERSON), 69, "http://127.0.0.1:9"),
}
"""Responses that name a person, the exit code of the run, and what its error says of them."""


def test_no_answer_of_the_api_brings_a_name_into_a_report(night_of, configure, tmp_path, monkeypatch, patient_reports):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("etl.run.pipeline.DEFERRED_SECONDS", 0.1)
    with night_of(api__attempts=2, api__patience_seconds=0.3) as night, repeating() as api:
        configure(**targets(api))
        night.enqueue(*task_ids(1_040)[-30:])
        for name, (reply, exit_code, words) in ANSWERS.items():
            api.reply = reply

            ended = night.run("run", "--json", "--log-format", "json")

            assert ended.exit_code == exit_code, name
            assert words in json.loads(ended.stdout)["error"], name
            is_redirect = name == "a redirect"
            assert is_redirect or names_person(ended.stderr), f"the log has no words of {name}"
            assert not names_person(ended.stdout), name
        assert_reported_without_the_person(night, api)


def test_no_dead_letter_brings_a_name_into_a_report(night_of, configure, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    of_status, refused, unsound, honest = task_ids(1_040)[-4:]
    replies = {
        of_status: good(of_status, status=PERSON, taskName=PERSON),
        refused: error(400, "13000999", f"{PERSON} may not do this"),
        unsound: (200, JSON, f'{{"taskId": "{unsound}", "taskName": "{PERSON}'),
        honest: good(honest, taskName=PERSON, userId=PERSON),
    }
    with night_of(api__attempts=2, notify__dead_letters_above=0) as night, repeating() as api:
        configure(**targets(api))
        api.reply = replies.get
        night.enqueue(*replies)
        night.change(f"INSERT INTO pending_task (task_id) VALUES ('{PERSON}')")

        ended = night.run("run", "--json", "--log-format", "json")

        assert ended.exit_code == 65, ended.stderr
        assert night.rows("SELECT COUNT(*) FROM dead_letter") == [(4,)]
        assert names_person(ended.stderr)
        night.change(f"DELETE FROM pending_task WHERE task_id = '{PERSON}'")
        assert_reported_without_the_person(night, api)
        assert night.run("dead-letters", "list", "--json").stdout.count(PERSON) >= 3, "the dead letters have the words"


def test_no_archive_brings_a_name_into_a_report(night_of, configure, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with night_of() as night, repeating() as api:
        configure(**targets(api), archive__location="archive")
        api.task_name = PERSON
        night.enqueue(*task_ids(1_040)[-2:])
        assert night.run("run").exit_code == 0
        (file,) = Path("archive").rglob("*.parquet")
        rows = pl.read_parquet(file)
        for damage in (
            pl.lit(f"{{{PERSON}").cast(pl.Binary).alias("body"),
            pl.lit(PERSON).alias("task_id"),
            pl.lit(PERSON).alias("observed_at"),
            pl.lit(PERSON).alias(PERSON),
        ):
            rows.with_columns(damage).write_parquet(file)

            replayed = night.run("replay", "--json")

            assert replayed.exit_code == 65, (damage, replayed.stderr)
            assert not names_person(replayed.stdout)
        assert_reported_without_the_person(night, api, {"push", "otlp", "lineage"})

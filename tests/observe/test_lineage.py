"""The lineage of facts, as an OpenLineage server receives it."""

import json
import socket
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from etl.exit_codes import ExitCode
from etl.observe.lineage import event_of
from etl.runs import AuditRun
from etl.settings.load import Settings
from etl.warehouse.tables import METADATA
from tests.nights import task_ids
from tests.webhooks import receiving

NOW = datetime(2026, 11, 3, 1, tzinfo=UTC)


@pytest.fixture
def server():
    with receiving(path="") as receiver:
        yield receiver


def events(server):
    return [json.loads(body) for _, _, body in server.posts]


def columns(dataset):
    return [field["name"] for field in dataset["facets"]["schema"]["fields"]]


def test_a_run_reports_its_beginning_and_its_end_with_its_inputs_and_outputs(night_of, databases, server):
    with night_of(None, *databases, telemetry__openlineage_url=server.url) as night:
        night.enqueue(*task_ids(5), "not-an-id")
        assert night.run("run").exit_code == 65
        ((run_id, changed),) = night.rows("SELECT run_id, changed FROM audit_run")
        base_url = night.api.base_url
    begin, end = events(server)

    assert {path for path, _, _ in server.posts} == {"/api/v1/lineage"}
    assert [event["eventType"] for event in (begin, end)] == ["START", "COMPLETE"]
    assert begin["eventTime"] <= end["eventTime"]
    for event in (begin, end):
        assert event["run"]["runId"] == run_id
        assert event["producer"].startswith("urn:koodrive-task-audit:")
        assert (event["job"]["namespace"], event["job"]["name"]) == ("task-audit", "audit")
        pending, api = event["inputs"]
        assert pending["name"].endswith("pending_task")
        assert columns(pending)[:2] == ["task_id", "submitted_at"]
        assert (api["namespace"], api["name"]) == (base_url, "/koodrive/ose/v1/task/{task_id}")
        assert {"taskId", "status", "resultCode"} <= set(columns(api))
        for output in event["outputs"]:
            assert output["facets"]["schema"]["_producer"] == event["producer"]
            name = output["name"].rpartition(".")[2]
            assert columns(output) == METADATA.tables[name].columns.keys()
            assert all(field["type"] for field in output["facets"]["schema"]["fields"])
        assert [output["name"].rpartition(".")[2] for output in event["outputs"]] == [
            "fact_task_status",
            "fact_task_status_change",
            "dead_letter",
        ]
    facts, _, letters = end["outputs"]
    assert facts["outputFacets"]["outputStatistics"]["rowCount"] == changed
    assert letters["outputFacets"]["outputStatistics"]["rowCount"] == 1
    taken = {
        column: [(each["name"], each["field"]) for each in origin["inputFields"]]
        for column, origin in facts["facets"]["columnLineage"]["fields"].items()
    }
    assert taken["result_code"] == [(api["name"], "resultCode")]
    assert taken["response_message"] == [(api["name"], "msg")]
    assert taken["submitted_at"] == [(pending["name"], "submitted_at")]
    assert set(columns(facts)) - set(taken) == {
        "submitted_at_source",
        "first_seen_at",
        "status_changed_at",
        "last_checked_at",
        "run_id",
    }
    if databases[0] == databases[1]:
        assert pending["namespace"] == facts["namespace"]


def test_the_event_of_a_failed_run_has_its_error(night_of, server, configure):
    with night_of(telemetry__openlineage_url=server.url) as night:
        night.enqueue(*task_ids(1))
        configure(api__token="Bearer wrong-CANARY")
        assert night.run("run").exit_code == 77
    begin, end = events(server)

    assert (begin["eventType"], end["eventType"]) == ("START", "FAIL")
    assert "credentials" in end["run"]["facets"]["errorMessage"]["message"]
    assert "CANARY" not in json.dumps([begin, end])


def test_a_run_that_could_not_begin_is_reported_as_failed(night_of, server, configure, tmp_path):
    with night_of(telemetry__openlineage_url=server.url) as night:
        configure(source__url=f"sqlite:///{tmp_path}/none.sqlite")
        assert night.run("run").exit_code == 78

    assert [event["eventType"] for event in events(server)] == ["START", "FAIL"]


def test_a_dry_run_sends_no_events(night_of, server):
    with night_of(telemetry__openlineage_url=server.url) as night:
        assert night.run("run", "--dry-run").exit_code == 0

    assert server.posts == []


def test_the_key_of_the_server_is_sent_there_only(night_of, server, monkeypatch):
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "CANARY-lineage")
    with night_of(telemetry__openlineage_url=server.url) as night:
        good = night.run("run", "-v")
        server.status = 403
        bad = night.run("run", "-v")

    assert {headers["Authorization"] for _, headers, _ in server.posts} == {"Bearer CANARY-lineage"}
    assert "telemetry_failed" not in good.stderr
    assert "telemetry_failed" in bad.stderr
    assert "CANARY" not in good.stderr + bad.stderr


@pytest.mark.parametrize("kind", ["hangs", "refuses", "answers 500"])
def test_a_broken_server_delays_a_run_by_two_seconds_at_most_and_does_not_fail_it(night_of, server, configure, kind):
    server.status = 500 if kind == "answers 500" else 200
    server.seconds = 60 if kind == "hangs" else 0
    with ExitStack() as stack:
        url = server.url
        if kind == "refuses":
            closed = stack.enter_context(socket.socket())
            closed.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        night = stack.enter_context(night_of())
        started_at = time.monotonic()
        assert night.run("run").exit_code == 0
        alone = time.monotonic() - started_at
        configure(telemetry__openlineage_url=url)
        started_at = time.monotonic()
        result = night.run("run")
        took = time.monotonic() - started_at

    assert result.exit_code == 0
    assert "telemetry_failed" in result.stderr
    assert took < alone + 3.5


@pytest.mark.parametrize(
    ("code", "event"),
    [
        (None, "START"),
        (ExitCode.OK, "COMPLETE"),
        (ExitCode.DEAD_LETTERS, "COMPLETE"),
        (ExitCode.STOPPED, "ABORT"),
        (ExitCode.UNAVAILABLE, "FAIL"),
        (ExitCode.BUG, "FAIL"),
        (ExitCode.CREDENTIALS, "FAIL"),
        (ExitCode.CONFIGURATION, "FAIL"),
    ],
)
def test_every_exit_code_has_its_event(code, event):
    run = AuditRun(started_at=NOW, exit_code=code, max_rate=50)
    assert event_of(run, Settings()).eventType.value == event


@pytest.mark.parametrize(
    ("url", "schema", "dataset"),
    [
        ("postgresql://me:CANARY@db/ops", None, ("postgres://db:5432", "ops.public.fact_task_status")),
        ("postgresql://me@db:6543/ops?password=CANARY", "audit", ("postgres://db:6543", "ops.audit.fact_task_status")),
        ("postgresql:///ops?host=/tmp/socket", None, ("postgres://localhost:5432", "ops.public.fact_task_status")),
        ("mysql://me:CANARY@db/ops", None, ("mysql://db:3306", "ops.fact_task_status")),
        ("duckdb:////data/w.duckdb", "audit", ("duckdb:///data/w.duckdb", "audit.fact_task_status")),
        ("sqlite:///w.sqlite", None, (f"sqlite://{Path.cwd()}/w.sqlite", "fact_task_status")),
    ],
)
def test_the_name_of_a_table_follows_the_convention_and_holds_no_secret(url, schema, dataset):
    settings = Settings.model_validate({"warehouse": {"url": SecretStr(url), "schema": schema}})
    event = event_of(AuditRun(started_at=NOW, max_rate=50), settings)

    facts = event.outputs[0]
    assert (facts.namespace, facts.name) == dataset
    assert "CANARY" not in repr(event)


def test_a_table_of_the_user_has_the_configured_columns(tmp_path):
    source = {
        "url": SecretStr("postgresql://me@db/ops"),
        "table": "hr.leaver",
        "mode": "read_only",
        "task_id_column": "koodrive_task",
        "submitted_at_column": "left_at",
    }
    event = event_of(AuditRun(started_at=NOW, max_rate=50), Settings.model_validate({"source": source}))

    pending = event.inputs[0]
    assert pending.name == "ops.hr.leaver"
    assert [field.name for field in pending.facets["schema"].fields] == ["koodrive_task", "left_at"]
    taken = event.outputs[0].facets["columnLineage"].fields
    assert [taken[column].inputFields[0].field for column in ("task_id", "submitted_at")] == [
        "koodrive_task",
        "left_at",
    ]

"""The log contains the declared events, each with its run and its request, and not too many of them."""

import ast
import json

import pytest

from etl.fake_api import Behaviour, Fault
from etl.observe.events import EVENTS
from etl.resources import resource
from tests.nights import TOKEN, task_ids

LEVELS = {"debug", "info", "warning", "error", "exception", "log"}


def written():
    """Yield the event and the fields of each log call in the code."""
    for file in resource("etl").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=level)) if level in LEVELS:
                    (event,) = [each.value for each in node.args if isinstance(getattr(each, "value", None), str)]
                    yield event, {keyword.arg for keyword in node.keywords}


def lines(result):
    return [json.loads(line) for line in result.stderr.splitlines() if line.startswith("{")]


def of(event, result):
    return [line for line in lines(result) if line["event"] == event]


def test_the_declared_events_are_those_that_the_code_logs():
    assert {event for event, _ in written()} == set(EVENTS)
    for event, fields in written():
        # Fields from a mapping have no name here; the test of a run checks them.
        assert (fields - {None} <= set(EVENTS[event].fields)) if None in fields else fields == set(EVENTS[event].fields)


@pytest.fixture
def bad_night(night_of):
    """A night with throttling, a lasting failure, an unknown field and an invalid ID."""
    lost, *_ = ids = task_ids(30)
    faults = (
        Fault(name="not_found", task_ids=frozenset({lost})),
        Fault(name="http_429", task_ids=frozenset(ids[1:2]), first_asks=1),
        Fault(name="unknown_field", task_ids=frozenset(ids[2:3])),
    )
    with night_of(Behaviour(token=TOKEN, faults=faults)) as night:
        night.enqueue(*ids)
        night.change("INSERT INTO pending_task (task_id) VALUES ('no\nID\x1b[31m" + "x" * 1_000 + "')")
        yield night, night.run("run", "--log-format", "json", "--json")


def test_a_run_logs_its_events_with_the_declared_fields(bad_night):
    _, result = bad_night
    usual = {"event", "level", "timestamp"}

    assert result.exit_code == 65
    assert {"run_started", "run_planned", "batch_loaded", "paused", "rate_changed", "resumed", "drift"} < {
        line["event"] for line in lines(result)
    }
    run_id = json.loads(result.stdout)["run_id"]
    for line in lines(result):
        assert set(line) - usual == {*EVENTS[line["event"]].fields, "run_id"}
        assert line["run_id"] == run_id
    (finished,) = of("run_finished", result)
    assert (finished["exit_code"], finished["claimed"], finished["dead_lettered"]) == (65, 31, 2)


def test_a_dead_letter_is_logged_with_the_trace_id_that_the_server_knows(bad_night):
    night, result = bad_night
    by_reason = {line["reason"]: line for line in of("task_dead_lettered", result)}

    assert by_reason["not_found"]["task_id"] == task_ids(1)[0]
    assert by_reason["not_found"]["trace_id"] in night.api.stats.trace_ids
    assert (by_reason["not_found"]["http_status"], by_reason["not_found"]["level"]) == (404, "warning")
    assert by_reason["invalid_id"]["trace_id"] is None
    assert by_reason["invalid_id"]["task_id"].startswith(r"no\nID\x1b[31mxxx")
    assert len(by_reason["invalid_id"]["task_id"]) < 100
    (paused,) = of("paused", result)
    assert paused["trace_id"] in night.api.stats.trace_ids


def test_a_night_of_dead_letters_does_not_flood_the_log(night_of, monkeypatch):
    monkeypatch.setattr("etl.run.batch_loader.MAX_LETTERS_LOGGED", 5)
    with night_of(run__batch_size=4) as night:
        night.enqueue(*(f"no-{number}" for number in range(14)))
        result = night.run("run", "--log-format", "json")
        ((letters,),) = night.rows("SELECT COUNT(*) FROM dead_letter")

    assert len(of("task_dead_lettered", result)) == 5
    assert [line["told"] for line in of("dead_letters_untold", result)] == [5]
    assert letters == of("run_finished", result)[0]["dead_lettered"] == 14


def test_the_failure_of_a_target_is_logged_with_the_run_id(night_of):
    with night_of(
        telemetry__pushgateway_url="http://127.0.0.1:9", telemetry__openlineage_url="http://127.0.0.1:9"
    ) as n:
        result = n.run("run", "--log-format", "json", "--json")

    failed = of("telemetry_failed", result)
    assert {line["target"] for line in failed} >= {"telemetry.pushgateway_url", "telemetry.openlineage_url"}
    assert {line["run_id"] for line in failed} == {json.loads(result.stdout)["run_id"]}

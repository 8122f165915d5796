"""The log tells the events that are declared, of the run and the request that they are about, and no flood of them."""

import ast
import json

import pytest

from etl.fake_api import Behaviour, Fault
from etl.observe.events import EVENTS
from etl.resources import resource
from tests.nights import TOKEN, task_ids

LEVELS = {"debug", "info", "warning", "error", "exception", "log"}


def written():
    """What the code writes: events, with the fields that each place names."""
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


def test_what_is_declared_is_what_the_code_writes():
    assert {event for event, _ in written()} == set(EVENTS)
    for event, fields in written():
        # Fields that are spread from a mapping have no name here, and a run shows them.
        assert (fields - {None} <= set(EVENTS[event].fields)) if None in fields else fields == set(EVENTS[event].fields)


@pytest.fixture
def bad_night(night_of):
    """A night with throttling, an answer that lasts as a failure, and a field that nobody knows."""
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


def test_a_run_tells_how_it_goes_with_the_fields_that_are_declared(bad_night):
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


def test_a_dead_letter_is_named_with_the_trace_that_leads_to_the_server(bad_night):
    night, result = bad_night
    told = {line["reason"]: line for line in of("task_dead_lettered", result)}

    assert told["not_found"]["task_id"] == task_ids(1)[0]
    assert told["not_found"]["trace_id"] in night.api.stats.trace_ids
    assert (told["not_found"]["http_status"], told["not_found"]["level"]) == (404, "warning")
    assert told["invalid_id"]["trace_id"] is None
    assert told["invalid_id"]["task_id"].startswith(r"no\nID\x1b[31mxxx")
    assert len(told["invalid_id"]["task_id"]) < 100
    (paused,) = of("paused", result)
    assert paused["trace_id"] in night.api.stats.trace_ids


def test_a_night_of_dead_letters_floods_no_log(night_of, monkeypatch):
    monkeypatch.setattr("etl.run.pipeline.MAX_LETTERS_LOGGED", 5)
    with night_of(run__batch_size=4) as night:
        night.enqueue(*(f"no-{number}" for number in range(14)))
        result = night.run("run", "--log-format", "json")
        ((letters,),) = night.rows("SELECT COUNT(*) FROM dead_letter")

    assert len(of("task_dead_lettered", result)) == 5
    assert [line["told"] for line in of("dead_letters_untold", result)] == [5]
    assert letters == of("run_finished", result)[0]["dead_lettered"] == 14


def test_what_a_target_failed_at_is_told_of_its_run(night_of):
    with night_of(
        telemetry__pushgateway_url="http://127.0.0.1:9", telemetry__openlineage_url="http://127.0.0.1:9"
    ) as n:
        result = n.run("run", "--log-format", "json", "--json")

    failed = of("telemetry_failed", result)
    assert {line["target"] for line in failed} >= {"telemetry.pushgateway_url", "telemetry.openlineage_url"}
    assert {line["run_id"] for line in failed} == {json.loads(result.stdout)["run_id"]}

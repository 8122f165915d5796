"""Values that KooDrive invents fill neither the dimensions nor the counters, and change no fact."""

import pytest
from structlog.testing import capture_logs

from etl.runs import MAX_DRIFT_NAMES
from etl.warehouse.load import dimensions
from tests.warehouse.conftest import NOON

ROOM = 6
"""The rows of each dimension in these tests; four statuses and two types are documented."""


@pytest.fixture
def _small(monkeypatch):
    monkeypatch.setattr(dimensions, "MAX_DIMENSION_ROWS", ROOM)


def ids(number):
    return [str(10**18 + each) for each in range(number)]


def finish(audit, run, counters=()):
    with capture_logs() as logged:
        audit.warehouse.finish(run, dict(counters))
    return [line for line in logged if line["event"] == "dimension_full"]


def ask(audit, statement):
    with audit.engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(statement)]


@pytest.mark.usefixtures("_small")
def test_a_full_dimension_keeps_the_most_frequent_values_and_every_fact_is_exact(audit):
    run = audit.begin("run-1", claimed=30)
    answers = [
        audit.seen(
            100 + each % 20,
            task_id=task_id,
            task_type=50 + each,
            result_code=f"c{each if each < 20 else 19}",
            tenant_id=f"t{each}",
        )
        for each, task_id in enumerate(ids(30))
    ]
    run = audit.load(*answers, run=run)
    logged = finish(audit, run)

    assert [len(audit.rows(table.name)) for table in dimensions.DIMENSIONS] == [ROOM] * 4
    assert "c19" in {row["result_code"] for row in audit.rows("dim_result_code")}
    facts = {
        row["task_id"]: (row["status"], row["task_type"], row["result_code"]) for row in audit.rows("fact_task_status")
    }
    assert facts == {
        each.task.task_id: (each.detail.status, each.detail.task_type, each.detail.result_code) for each in answers
    }
    left_out = {line["dimension"]: line["tasks"] for line in logged}
    assert left_out == {"dim_task_status": 26, "dim_task_type": 26, "dim_result_code": 14, "dim_tenant": 24}
    counted = {row["name"]: row["number"] for row in audit.rows("audit_run_counter") if "full" in row["name"]}
    assert counted == {f"{name} is full": tasks for name, tasks in left_out.items()}


@pytest.mark.usefixtures("_small")
def test_the_views_show_every_fact_and_change(audit):
    answers = [audit.seen(100 + each, task_id=task_id) for each, task_id in enumerate(ids(9))]
    audit.load(*answers, audit.seen(2, task_id="7"))
    named = {(100, "UNKNOWN(100)"), (101, "UNKNOWN(101)"), *((100 + each, "UNKNOWN") for each in range(2, 9))}
    for view in ("v_task_status", "v_task_history", "v_open_tasks"):
        found = set(ask(audit, f"SELECT status, status_name FROM {view}"))
        assert found == named | (set() if view == "v_open_tasks" else {(2, "SUCCESS")}), view
    assert ask(audit, "SELECT count(*) FROM v_task_status WHERE is_terminal") == [(1,)]


def test_a_dimension_with_room_is_not_full(audit):
    run = audit.begin("run-1", claimed=1)
    assert finish(audit, audit.load(audit.seen(7, result_code="c"), run=run)) == []


def test_a_run_counts_the_most_frequent_new_codes_by_name_and_the_others_together(audit):
    codes = [f"c{each}" for each in range(MAX_DRIFT_NAMES + 9)]
    answers = [audit.seen(3, task_id=task_id, result_code=code) for task_id, code in zip(ids(99), codes, strict=False)]
    often = audit.seen(3, task_id="7", result_code=codes[-1])
    run = audit.begin("run-1", claimed=len(answers) + 1)
    run = audit.load(*answers, often, run=run)
    assert run.started_at == NOON
    finish(audit, run)
    counters = {row["name"]: row["number"] for row in audit.rows("audit_run_counter")}
    assert len(counters) == MAX_DRIFT_NAMES + 1
    assert counters[f"new result_code {codes[-1]}"] == 2
    assert counters["other new result codes"] == 9


def test_long_new_codes_that_begin_alike_are_counted_together(audit):
    """The counter has no room for the whole of a code of the greatest length."""
    run = audit.begin("run-1", claimed=2)
    answers = [audit.seen(3, task_id=each, result_code=f"{'c' * 499}{each}") for each in "12"]
    finish(audit, audit.load(*answers, run=run))
    assert [row["number"] for row in audit.rows("audit_run_counter")] == [2]

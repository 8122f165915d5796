"""A load is one transaction: its counters, its size, hostile text, and failures half-way."""

from dataclasses import replace

import pytest
from pydantic import SecretStr
from sqlalchemy import event

from etl.database.connections import open_engine
from etl.tasks.detail import TERMINAL_STATUSES
from etl.warehouse.load.dry_run import DryRun
from etl.warehouse.load.loader import Warehouse
from etl.warehouse.schema import upgrade_warehouse
from etl.warehouse.sql_files import sql_files
from etl.warehouse.tables import METADATA

EXECUTING, SUCCESS, FAILED = 1, 2, 3

HOSTILE = [
    "",
    " ",
    '"',
    '""',
    "'; DROP TABLE fact_task_status; --",
    ",",
    "a,b",
    "line\nbreak",
    "carriage\r\nreturn",
    "\r",
    "\\",
    "\\N",
    "\\.",
    "\\\\N",
    "a\n\\.\nb",
    "\t",
    "%s %(x)s :x ? $1 {x}",
    "=cmd()",
    "<script>",
    "NULL",
    "null",
    "交接 🙂 é é",
    "\u202eRTL\u202c",
    "\x01\x1b\x7f",
    "\ufeffBOM",
    "x" * 100_000,
]


def many(audit, number, *, status=SUCCESS, minute=0, **detail):
    return [
        audit.seen(status, minute, task_id=str(1_534_087_020_903_704_704 + index), **detail) for index in range(number)
    ]


def test_counters_add_up_over_batches(audit):
    run = audit.begin("run-1", claimed=9)
    run = audit.load(audit.seen(SUCCESS, task_id="1"), audit.seen(EXECUTING, task_id="2"), run=run)
    run = audit.load(audit.failed(task_id="3"), run=run, released=2)
    run = audit.load(audit.seen(SUCCESS, 5, task_id="1"), audit.seen(EXECUTING, 5, task_id="2"), run=run)
    run = audit.load(audit.seen(FAILED, 6, task_id="2"), audit.seen(7, task_id="4"), run=run)
    assert (run.audited, run.changed, run.unchanged, run.still_open) == (6, 4, 2, 3)
    assert (run.dead_lettered, run.released) == (1, 2)
    assert run.is_balanced
    row = audit.row("audit_run")
    assert {name: row[name] for name in ("audited", "changed", "unchanged", "still_open", "dead_lettered")} == {
        "audited": 6,
        "changed": 4,
        "unchanged": 2,
        "still_open": 3,
        "dead_lettered": 1,
    }


def test_a_task_claimed_twice_is_counted_twice_and_written_once(audit):
    run = audit.load(audit.seen(EXECUTING), audit.seen(SUCCESS, 5))
    assert (run.audited, run.changed, run.unchanged) == (2, 1, 1)
    assert run.is_balanced
    assert audit.row("fact_task_status")["status"] == SUCCESS


def test_an_empty_batch(audit):
    run = audit.load()
    assert (run.audited, run.changed, run.unchanged, run.still_open) == (0, 0, 0, 0)
    assert audit.rows("fact_task_status") == []


def test_many_batches_on_one_connection(audit):
    run = audit.begin("run-1")
    for minute in range(3):
        run = audit.load(audit.seen(EXECUTING, minute), audit.seen(EXECUTING, minute, task_id=str(minute)), run=run)
    assert len(audit.rows("fact_task_status")) == 4, "what was staged before is not there any more"


@pytest.mark.slow
def test_a_large_batch(audit):
    assert audit.load(*many(audit, 20_000, task_name="hand over")).changed == 20_000
    assert audit.load(*many(audit, 20_000, minute=5, task_name="hand over"), run="run-2").unchanged == 20_000
    with audit.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT COUNT(*) FROM fact_task_status_change").scalar_one() == 20_000


def test_hostile_text_is_stored_as_it_is(audit):
    audit.load(
        *(
            audit.seen(
                FAILED,
                task_id=str(number),
                task_name=text,
                tenant_id=text,
                user_id=text,
                result_code=text[:500] or "-",
                response_message=text,
            )
            for number, text in enumerate(HOSTILE)
        )
    )
    facts = {int(row["task_id"]): row for row in audit.rows("fact_task_status")}
    for number, text in enumerate(HOSTILE):
        stored = facts[number]
        assert stored["task_name"] == stored["tenant_id"] == stored["user_id"] == stored["response_message"] == text
        assert stored["result_code"] == (text[:500] or "-")
    assert {row["result_code"] for row in audit.rows("dim_result_code")} == {text[:500] or "-" for text in HOSTILE}
    audit.load(*(audit.seen(FAILED, 5, task_id=str(n), task_name=text) for n, text in enumerate(HOSTILE)), run="run-2")


def test_empty_and_absent_are_two_things(audit):
    audit.load(audit.seen(SUCCESS, task_id="1", task_name=""), audit.seen(SUCCESS, task_id="2", task_name=None))
    assert [row["task_name"] for row in audit.rows("fact_task_status")] == ["", None]


def test_extreme_numbers_and_times(audit):
    first, last = audit.noon.replace(year=1970), audit.noon.replace(year=9999, microsecond=999_999)
    audit.load(
        audit.seen(2**63 - 1, task_id="0", task_type=-(2**63), submitted_at=first),
        audit.seen(-(2**63), task_id="9999999999999999999", task_type=2**63 - 1, submitted_at=last),
    )
    low, high = audit.rows("fact_task_status")
    assert (low["status"], low["task_type"], low["submitted_at"]) == (2**63 - 1, -(2**63), first)
    assert (high["status"], high["task_type"], high["submitted_at"]) == (-(2**63), 2**63 - 1, last)


def test_a_write_within_the_load_is_committed_with_the_batch(audit):
    def acknowledge(connection):
        connection.exec_driver_sql("UPDATE dim_task_status SET description = 'acknowledged' WHERE status = 2")

    audit.load(audit.seen(SUCCESS), within=acknowledge)
    assert audit.rows("dim_task_status")[2]["description"] == "acknowledged"


def test_the_row_of_a_run_is_written_at_both_ends(audit):
    run = audit.begin("run-1")
    assert audit.row("audit_run")["outcome"] == "running"
    error = "Said \0 and half a \ud83d" + "." * 5_000
    finished = replace(run, finished_at=audit.at(5), outcome="succeeded", exit_code=0, error=error)
    audit.warehouse.finish(finished, {})
    row = audit.row("audit_run")
    assert (row["finished_at"], row["outcome"], row["exit_code"]) == (audit.at(5), "succeeded", 0)
    assert row["error"].startswith("Said \ufffd and half a ?...")
    assert len(row["error"]) == 2_000


def test_the_counters_of_a_run_are_kept_beside_its_row(audit):
    run = audit.begin("run-1")
    audit.warehouse.finish(run, {("http_status", "429"): 3, ("drift", "unknown field \0"): 2})
    assert [(row["counter"], row["name"], row["number"]) for row in audit.rows("audit_run_counter")] == [
        ("drift", "unknown field \ufffd", 2),
        ("http_status", "429", 3),
    ]


def test_result_codes_that_a_run_has_met_first_are_drift(audit):
    first = audit.load(audit.seen(FAILED, task_id="1", result_code="18000205"))
    audit.warehouse.finish(first, {})
    second = replace(audit.begin("run-2"), started_at=audit.at(10))
    for number, code in enumerate(("18000205", "18000999", "18000999"), 2):
        second = audit.load(audit.seen(FAILED, 15, task_id=str(number), result_code=code), run=second)
    audit.warehouse.finish(second, {})
    assert [(row["run_id"], row["name"], row["number"]) for row in audit.rows("audit_run_counter")] == [
        ("run-1", "new result_code 18000205", 1),
        ("run-2", "new result_code 18000999", 2),
    ]


def test_the_known_tasks_are_those_that_were_answered_last(audit):
    assert audit.warehouse.known_tasks() == []
    audit.load(audit.failed(task_id="5"))
    assert audit.warehouse.known_tasks() == []
    audit.load(audit.seen(SUCCESS, 2, task_id="3"), audit.seen(SUCCESS, 3, task_id="1"), run="run-2")
    audit.load(audit.seen(EXECUTING, 7, task_id="2"), run="run-3")
    audit.load(audit.seen(SUCCESS, 8, task_id="2"), run="run-4")
    assert audit.warehouse.known_tasks() == ["2", "1"]


def test_the_known_tasks_are_found_by_an_index(tmp_path):
    """With a million facts, a sort would take 300 ms."""
    engine = open_engine(SecretStr(f"sqlite:///{tmp_path}/w.sqlite"), name="the warehouse", create=True)
    upgrade_warehouse(engine)
    asked = []
    event.listen(
        engine, "before_cursor_execute", lambda _c, _cur, statement, values, *_: asked.append((statement, values))
    )
    Warehouse(engine).known_tasks()
    statement, values = asked[-1]
    with engine.connect() as connection:
        plan = " ".join(str(row) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values))
    engine.dispose()
    assert "fact_task_status_change_observed_at" in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize("number", [0, 1, 5_000, 100_000])
def test_settled_returns_the_tasks_that_need_no_request(audit, number):
    audit.load(
        audit.seen(SUCCESS, task_id="1"),
        audit.seen(FAILED, task_id="2"),
        audit.seen(EXECUTING, task_id="3"),
        audit.seen(7, task_id="4"),
        audit.failed(task_id="5"),
        audit.failed(task_id="6"),
        audit.failed(task_id="not\0a task"),
    )
    audit.load(audit.seen(EXECUTING, 5, task_id="6"), run="run-2")
    asked = [str(task_id) for task_id in range(number)]
    ended = {"1", "2", "5"} if number > 5 else set()
    assert audit.warehouse.settled([*asked, "not\0a task"]) == {*ended, "not\0a task"}
    assert audit.warehouse.settled(asked) == ended


@pytest.mark.parametrize("warehouse_url", ["duckdb", "postgresql"], indirect=True)
def test_a_schema_of_its_own(warehouse_url, audit_on):
    engine = open_engine(warehouse_url, name="the warehouse", schema="Audit", create=True)
    audit = audit_on(engine, schema="Audit")
    audit_on(engine, schema="Audit")
    audit.warehouse.require_current()
    audit.load(audit.seen(FAILED, result_code="18000205"), audit.failed(task_id="9"))
    audit.load(audit.seen(FAILED, 5, result_code="18000205"), audit.seen(7, 5, task_id="9"), run="run-2")
    assert audit.warehouse.settled([audit.task_id, "9"]) == {audit.task_id}
    with engine.connect() as connection:
        names = {
            *METADATA.tables,
            "task_audit_version",
            *(file.stem for file in sql_files("views", engine.dialect.name)),
        }
        found = connection.exec_driver_sql("SELECT table_name, table_schema FROM information_schema.tables")
        schema_of = {row.table_name: row.table_schema for row in found if row.table_name in names}
        assert schema_of == dict.fromkeys(names, "Audit")
        assert connection.exec_driver_sql("SELECT status FROM v_task_status ORDER BY 1").scalars().all() == [3, 7]
    engine.dispose()


def test_runs_that_never_ended_are_counted(audit):
    killed, ended, own = audit.begin("killed"), audit.begin("ended"), audit.begin("own")
    audit.warehouse.finish(replace(ended, finished_at=audit.at(1)), {})
    assert audit.warehouse.count_unfinished(but=own.run_id) == 1
    assert audit.warehouse.count_unfinished(but=killed.run_id) == 1
    assert audit.warehouse.count_unfinished(but=ended.run_id) == 2


def test_a_dry_run_counts_and_writes_nothing(audit):
    before = audit.tables()
    outcomes = [audit.seen(SUCCESS, task_id="1"), audit.seen(EXECUTING, task_id="2"), audit.seen(7, task_id="3")]
    wet = audit.load(*outcomes, audit.failed(task_id="4"), released=2)
    dry_audit = type(audit)(audit.warehouse)
    dry_audit.warehouse = DryRun()
    dry = dry_audit.load(*outcomes, audit.failed(task_id="4"), released=2)
    counted = ("audited", "changed", "unchanged", "still_open", "dead_lettered", "released")
    assert [getattr(dry, name) for name in counted] == [getattr(wet, name) for name in counted]
    assert dry.is_balanced
    assert before["fact_task_status"] == []
    assert dry_audit.load(run=dry).audited == dry.audited
    assert len(TERMINAL_STATUSES) == 2

"""A load that breaks off leaves nothing, and one whose commit was not confirmed is done once, on every engine."""

from dataclasses import replace

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import IntegrityError

from etl.errors import TransientError
from etl.normalize import COLUMNS, normalize
from etl.warehouse.load.batch import Batch
from etl.warehouse.tables import audit_run

EXECUTING, SUCCESS, FAILED = 1, 2, 3


class HalfWayError(Exception):
    """A failure in the middle of a load."""


def test_a_failure_within_undoes_everything(audit):
    audit.load(audit.seen(EXECUTING), audit.failed(task_id="9"))
    run = audit.begin("run-2", claimed=3)
    before = audit.tables()

    def break_off(connection):
        assert connection.scalar(select(audit_run.c.audited).where(audit_run.c.run_id == "run-2")) == 2
        raise HalfWayError

    news = [
        audit.seen(FAILED, 5, result_code="18000205", task_type=9),
        audit.seen(7, 5, task_id="9"),
        audit.failed(5, task_id="8"),
    ]
    with pytest.raises(HalfWayError):
        audit.load(*news, run=run, within=break_off)
    assert audit.tables() == before
    assert audit.load(*news, run=run).changed == 2


@pytest.mark.parametrize("table", ["fact_task_status_change", "fact_task_status", "dim_result_code", "audit_run"])
def test_a_failure_between_two_statements_undoes_everything(audit, table):
    run = audit.begin("run-1", claimed=1)
    before = audit.tables()

    def break_off(_connection, _cursor, statement, *_):
        if statement.startswith((f"INSERT INTO {table} ", f"UPDATE {table} ")):
            raise HalfWayError

    event.listen(audit.engine, "before_cursor_execute", break_off)
    try:
        with pytest.raises(HalfWayError):
            audit.load(audit.seen(FAILED, result_code="18000205"), run=run)
    finally:
        event.remove(audit.engine, "before_cursor_execute", break_off)
    assert audit.tables() == before
    assert audit.load(audit.seen(FAILED, result_code="18000205"), run=run).changed == 1


def test_a_statement_that_the_database_refuses_undoes_everything_and_is_named(audit):
    run = audit.begin("run-1", claimed=1)
    batch = Batch(facts=(), audited=1)
    whole = audit.tables()
    source = COLUMNS.index("submitted_at_source")
    (row,) = normalize([audit.seen(SUCCESS)])
    facts = [[*row[:source], None, *row[source + 1 :]]]
    with pytest.raises(Exception, match=r"(?i)not.null|cannot be null") as refused:
        audit.warehouse.load(Batch(facts=facts, audited=batch.audited), run)
    assert isinstance(refused.value, IntegrityError) or "NotNull" in repr(refused.value)
    assert audit.tables() == whole
    assert audit.load(audit.seen(SUCCESS), run=run).changed == 1, "the connection is usable again"


def test_a_batch_whose_commit_was_not_confirmed_is_loaded_once(audit, lose_answer):
    run = audit.begin("run-1", claimed=4)
    run = audit.load(audit.seen(2), run=run)
    outcomes = (audit.seen(3, 5), audit.seen(1, task_id="7"), audit.failed(task_id="8"))
    within = []
    lose_answer(audit.engine)
    with pytest.raises(TransientError):
        audit.load(*outcomes, run=run, within=within.append)
    tables = audit.tables()

    loaded = audit.load(*outcomes, run=run, within=within.append)

    assert (loaded.audited, loaded.changed, loaded.still_open, loaded.dead_lettered) == (3, 3, 1, 1)
    assert audit.tables() == tables
    assert len(within) == 1
    assert loaded.is_balanced


def test_a_run_that_never_learns_of_the_commit_of_its_load_counts_the_load_at_its_end(audit, lose_answer):
    run = audit.begin("run-1", claimed=3)
    run = audit.load(audit.seen(2), run=run)
    lose_answer(audit.engine)
    with pytest.raises(TransientError):
        audit.load(audit.seen(1, task_id="7"), audit.failed(task_id="8"), run=run)

    given_back = replace(run, released=2, finished_at=audit.at(1), outcome="unavailable", exit_code=69)
    audit.warehouse.finish(given_back, {})

    (row,) = audit.rows("audit_run")
    assert (row["audited"], row["changed"], row["dead_lettered"], row["released"]) == (2, 2, 1, 0)


def test_an_end_whose_commit_was_not_confirmed_is_written_once(audit, lose_answer):
    run = audit.begin("run-1")
    finished = replace(run, finished_at=audit.at(1), outcome="succeeded", exit_code=0)
    lose_answer(audit.engine)
    with pytest.raises(TransientError):
        audit.warehouse.finish(finished, {("outcome", "audited"): 3})
    tables = audit.tables()

    audit.warehouse.finish(finished, {("outcome", "audited"): 3})

    assert audit.tables() == tables
    assert len(audit.rows("audit_run_counter")) == 1

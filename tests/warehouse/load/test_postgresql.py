"""Behaviour that only a server shows: a load that writes nothing, and two loads at the same time."""

from itertools import pairwise
from threading import Barrier, Thread

import pytest
from pydantic import SecretStr

from etl.database.connections import open_engine
from etl.errors import ConfigurationError
from etl.normalize import normalize
from etl.warehouse.load.batch import Batch
from etl.warehouse.load.loader import Warehouse
from etl.warehouse.schema import upgrade_warehouse
from tests.conftest import MYSQL

EXECUTING, SUCCESS, FAILED = 1, 2, 3
TABLES = ("fact_task_status", "fact_task_status_change", "dim_task_status", "dim_task_type", "dim_result_code")
LARGEST_LOG = 16_384


@pytest.fixture
def on_postgresql(postgres_url, audit_on):
    engine = open_engine(SecretStr(postgres_url), name="the warehouse")
    yield audit_on(engine)
    engine.dispose()


def row_versions(audit):
    with audit.engine.connect() as connection:
        return {
            name: connection.exec_driver_sql(f"SELECT xmin::text, ctid::text FROM {name} ORDER BY 2").all()
            for name in TABLES
        }


def log_written(audit):
    """Return the bytes of log that the one connection of the pool has written: a vacuum may write beside it."""
    with audit.engine.connect() as connection:
        connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
        connection.commit()
        written = "SELECT pg_backend_pid(), wal_bytes FROM pg_stat_get_backend_wal(pg_backend_pid())"
        return connection.exec_driver_sql(written).one()


def test_a_repeated_load_of_finished_tasks_writes_no_row_version_and_next_to_no_log(on_postgresql):
    audit = on_postgresql

    def seen(minute):
        return [
            audit.seen(
                FAILED if number % 5 else SUCCESS,
                minute,
                task_id=str(1_534_087_020_903_704_704 + number),
                task_name=f"hand over {number}",
                result_code="18000205",
                response_message="success",
            )
            for number in range(5_000)
        ]

    positions = [log_written(audit)]
    audit.load(*seen(0))
    versions = row_versions(audit)
    positions.append(log_written(audit))
    for number in (2, 3):
        run = audit.begin(f"run-{number}", claimed=5_000)
        assert audit.load(*seen(5 * number), run=run).unchanged == 5_000
        positions.append(log_written(audit))
    assert row_versions(audit) == versions
    assert len({backend for backend, _ in positions}) == 1
    first, *repeated = (after - before for (_, before), (_, after) in pairwise(positions))
    assert first > 1_000_000
    # 5,000 row locks alone would be 300 kB. After a checkpoint of the server, one load writes some whole pages.
    assert min(repeated) < LARGEST_LOG
    assert [run["unchanged"] for run in audit.rows("audit_run")[1:]] == [5_000, 5_000]


def test_a_session_of_the_jobs_own_keeps_the_staging_tables_and_no_row(on_postgresql):
    audit = on_postgresql
    tables = """
        SELECT oid, relname FROM pg_class WHERE relpersistence = 't' AND relkind = 'r'
        AND relname IN ('stage_dead_letters', 'stage_facts') ORDER BY relname
    """
    seen = []
    for minute in range(2):
        audit.load(audit.seen(EXECUTING, minute), audit.failed(minute, task_id="2"), run=f"run-{minute}")
        with audit.engine.connect() as connection:
            seen.append(connection.exec_driver_sql(tables).all())
            for _, name in seen[-1]:
                assert connection.exec_driver_sql(f"SELECT COUNT(*) FROM {name}").scalar_one() == 0
    assert [name for _, name in seen[0]] == ["stage_dead_letters", "stage_facts"]
    assert seen[1] == seen[0]


@pytest.mark.parametrize("warehouse_url", ["postgresql", *MYSQL], indirect=True)
def test_a_load_whose_rows_are_still_on_their_way_holds_up_no_other(engine, audit_on, warehouse_url):
    """A client may be frozen while it copies, and no limit of a server ends its transaction then."""
    audit, other = audit_on(engine), open_engine(warehouse_url, name="the warehouse")
    run, run_of_other = audit.begin("run-1", claimed=1), audit.begin("run-2", claimed=1)
    (late,), (early,) = (normalize([audit.seen(SUCCESS, minute, task_id="1")]) for minute in (5, 0))

    def on_their_way():
        loaded = Warehouse(other).load(Batch(facts=[early], audited=1), run_of_other)
        assert loaded.changed == 1
        yield late

    assert audit.warehouse.load(Batch(facts=on_their_way(), audited=1), run).unchanged == 1
    other.dispose()
    assert audit.row("fact_task_status")["run_id"] == "run-2"


@pytest.mark.parametrize("warehouse_url", ["postgresql", *MYSQL], indirect=True)
def test_two_loads_at_once_neither_wait_for_each_other_for_ever_nor_record_a_change_twice(engine, audit_on):
    audit = audit_on(engine)
    task_ids = [str(number) for number in range(500)]
    audit.load(*(audit.seen(EXECUTING, task_id=task_id) for task_id in task_ids), run="run-0")
    start, errors = Barrier(2), []

    def load(run_id, order):
        try:
            run = audit.begin(run_id)
            start.wait()
            for minute in range(1, 6):
                seen = [audit.seen(minute + 1, minute, task_id=task_id) for task_id in order]
                letters = [audit.failed(minute, task_id=f"dead-{task_id}") for task_id in order[:50]]
                run = audit.load(*seen, *letters, run=run)
        except BaseException as error:  # noqa: BLE001 - a thread's error is the test's
            errors.append(error)

    threads = [Thread(target=load, args=args) for args in (("run-1", task_ids), ("run-2", task_ids[::-1]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert errors == []
    assert {fact["status"] for fact in audit.rows("fact_task_status")} == {6}
    assert {fact["last_checked_at"] for fact in audit.rows("fact_task_status")} == {audit.at(5)}
    history = {}
    for change in audit.rows("fact_task_status_change"):
        history.setdefault(change["task_id"], []).append(change)
    assert set(history) == set(task_ids)
    for changes in history.values():
        previous = [change["previous_status"] for change in changes]
        statuses = [change["status"] for change in changes]
        assert previous == [None, *statuses[:-1]], "each change begins where the one before ended"
        assert len(set(statuses)) == len(statuses)
    runs = audit.rows("audit_run")
    assert sum(run["changed"] for run in runs) == sum(map(len, history.values()))
    assert [run["audited"] for run in runs] == [500, 2_500, 2_500]


@pytest.fixture
def administration(postgres_url):
    engine = open_engine(SecretStr(postgres_url), name="the warehouse", schema="audit")
    yield engine
    engine.dispose()


@pytest.fixture
def lesser_engine(administration, postgres_url):
    """An engine of a user who may do only what a test grants."""
    with administration.begin() as connection:
        connection.exec_driver_sql("CREATE ROLE lesser LOGIN")
    url = SecretStr(postgres_url.replace("//postgres:@", "//lesser@"))
    engine = open_engine(url, name="the warehouse", schema="audit")
    yield engine
    engine.dispose()
    with administration.begin() as connection:
        connection.exec_driver_sql("DROP OWNED BY lesser")
        connection.exec_driver_sql("DROP ROLE lesser")


def test_a_user_who_may_create_nothing_can_load(administration, lesser_engine, audit_on):
    audit_on(administration, schema="audit")
    with administration.begin() as connection:
        connection.exec_driver_sql("GRANT USAGE ON SCHEMA audit TO lesser")
        connection.exec_driver_sql("GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA audit TO lesser")
    audit = audit_on(lesser_engine, schema="audit", upgrade=False)
    audit.warehouse.require_current()
    audit.load(audit.seen(FAILED, result_code="18000205"), audit.failed(task_id="9"))
    audit.load(audit.seen(7, 5, task_id="9", task_type=8), run="run-2")
    assert len(audit.rows("fact_task_status")) == 2


def test_a_user_to_whom_the_schema_was_given_can_initialize_it(administration, lesser_engine, audit_on):
    with administration.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA audit AUTHORIZATION lesser")
    audit = audit_on(lesser_engine, schema="audit")
    assert audit.load(audit.seen(SUCCESS)).changed == 1


def test_a_user_without_a_schema_gets_an_error_that_says_it(lesser_engine):
    with pytest.raises(ConfigurationError, match="permission denied"):
        upgrade_warehouse(lesser_engine, schema="audit")

"""The questions at a million facts on PostgreSQL: those about a night read a night, by the indexes that are for it."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import event

from etl.database.connections import open_engine
from etl.jobs.parameters import read_parameters
from etl.times.night import night_of
from etl.warehouse.load.loader import Warehouse
from etl.warehouse.read.questions import ask, questions
from etl.warehouse.schema import upgrade_warehouse
from tests.bench.loaders import facts_of, load_all, write_ahead_log
from tests.bench.parts import million_facts, task_ids

pytestmark = pytest.mark.soak

OF_A_NIGHT = ("last_nights_failures", "what_changed")
OF_ONE_TASK = ("as_of", "task_story")
LARGEST_WAL = 1_000_000
MORNING = datetime(2026, 11, 2, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
def million(postgres_server):
    from tests.bench.parts import databases

    with databases("postgresql", postgres_server.get_uri()) as (url, _):
        engine = open_engine(SecretStr(url), name="the warehouse")
        upgrade_warehouse(engine)
        million_facts(engine)
        yield engine
        engine.dispose()


@pytest.fixture
def plan_of(million):
    """Do what asks the warehouse, and give back PostgreSQL's plan for the last statement."""

    def explain(ask_it):
        asked = []
        event.listen(
            million, "before_cursor_execute", lambda _c, _cur, statement, values, *_: asked.append((statement, values))
        )
        ask_it()
        statement, values = asked[-1]
        with million.connect() as connection:
            return "\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}", values).scalars())

    return explain


@pytest.fixture
def plan_of_question(million, plan_of):
    def explain(name, *given):
        question = questions("postgresql")[name]
        return plan_of(
            lambda: ask(
                million,
                question,
                read_parameters(
                    question,
                    dict(each.split("=", 1) for each in given),
                    now=(now := datetime.now(UTC)),
                    last_night=night_of(now),
                ),
            )
        )

    return explain


@pytest.mark.parametrize("name", OF_A_NIGHT)
def test_a_night_is_found_by_its_index(plan_of_question, name):
    plan = plan_of_question(name)
    assert "fact_task_status_change_observed_at" in plan
    assert not re.search(r"Seq Scan on fact_task_status", plan), plan


@pytest.mark.parametrize("name", OF_ONE_TASK)
def test_one_task_is_found_by_its_key(plan_of_question, name):
    at = ("at=2026-11-03T12:00",) if name == "as_of" else ()
    plan = plan_of_question(name, f"task_id={task_ids(1)[0]}", *at)
    assert "fact_task_status_change_pkey" in plan
    assert not re.search(r"Seq Scan on fact_task_status", plan), plan


def test_the_known_tasks_are_found_by_their_index(million, plan_of):
    assert Warehouse(million).known_tasks()
    plan = plan_of(Warehouse(million).known_tasks)
    assert "fact_task_status_change_observed_at" in plan
    assert not re.search(r"Seq Scan|Sort", plan), plan


def test_200_000_unchanged_tasks_rewrite_nothing_and_next_to_no_log(million):
    warehouse = Warehouse(million)
    ids = task_ids(200_000)
    with million.connect() as connection:
        connection.exec_driver_sql("TRUNCATE fact_task_status, fact_task_status_change")
        connection.commit()
    batches, later = (
        [facts_of(ids[start : start + 5_000], observed_at, 3) for start in range(0, len(ids), 5_000)]
        for observed_at in (MORNING, MORNING + timedelta(hours=1))
    )
    assert load_all(warehouse, batches).changed == 200_000
    versions = "SELECT md5(string_agg(xmin::text || ctid::text, ',' ORDER BY task_id)) FROM fact_task_status"
    with million.connect() as connection:
        before = connection.exec_driver_sql(versions).scalar_one()
    log_before = write_ahead_log(million)
    assert load_all(warehouse, later).unchanged == 200_000
    written = write_ahead_log(million) - log_before
    with million.connect() as connection:
        assert connection.exec_driver_sql(versions).scalar_one() == before
    assert written < LARGEST_WAL

"""Every question has the same answer on every engine, for a generated history."""

import json
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from pydantic import SecretStr

from etl.database.connections import open_engine
from etl.jobs.parameters import read_parameters
from etl.times.night import night_of
from etl.warehouse.read.questions import ask, questions
from etl.warehouse.schema import upgrade_warehouse
from etl.warehouse.tables import METADATA

NOW = datetime(2026, 11, 20, 7, tzinfo=UTC)
TASKS = 700
TEXTS = ["a", "A", "a ", "\u00e1", "ss", "\u00df", "'; --", "%s :x {y}", "\u4ea4 \U0001f642", 'say "x"', "\t=1", None]
CODES = ["100", "a", "A", "a ", "\u00e1", "%", None]
GIVEN = {
    "task_story": [("task_id=a5",), ("task_id=a 7",)],
    "as_of": [(), ("at=2026-11-10",), ("at=2026-11-19", "task_id=a5")],
    "last_nights_failures": [(), ("since=2026-11-01", "until=2026-11-09")],
    "tasks_behind_a_number": [("status_name=",), ("since=2026-11-10", "until=yesterday", "tenant=a ")],
    "time_to_end": [("since=2026-01-01",)],
}


def moment(chance):
    return NOW - timedelta(microseconds=chance.randrange(40 * 86_400 * 10**6))


def invented():
    """Rows of all tables, by table."""
    chance = Random(5)
    facts, changes = [], []
    for number in range(TASKS):
        task_id = f"{['', 'a', 'A', 'a '][number % 4]}{number}"
        previous: dict = {"status": None, "result_code": None}
        seen = sorted({moment(chance) for _ in range(chance.randrange(1, 5))})
        for observed_at in seen:
            now = {"status": chance.choice([0, 1, 2, 3, 3, 7]), "result_code": chance.choice(CODES)}
            key = {"task_id": task_id, "observed_at": observed_at, "run_id": "run-1"}
            changes.append(key | now | {f"previous_{name}": value for name, value in previous.items()})
            previous = now
        facts.append(
            {
                "task_id": task_id,
                "task_name": chance.choice(TEXTS),
                "task_type": chance.choice([0, 1, 9, None]),
                "tenant_id": chance.choice(TEXTS),
                "submitted_at": chance.choice([None, moment(chance), moment(chance)]),
                "submitted_at_source": "queue",
                "first_seen_at": seen[0],
                "status_changed_at": seen[-1],
                "last_checked_at": seen[-1],
                "run_id": "run-1",
                **previous,
            }
        )
    letters = [
        {
            "task_id": f"{['', 'a', 'A', 'a '][number % 4]}{number}",
            "reason": chance.choice(["not_found", "exhausted"]),
            "detail": chance.choice(TEXTS) or "",
            "error_code": chance.choice(TEXTS),
            "attempts": 1,
            "first_failed_at": NOW - timedelta(hours=2 * number + 1),
            "last_failed_at": NOW - timedelta(hours=number),
            "resolved_at": chance.choice([None, NOW]),
            "run_id": "run-1",
        }
        for number in range(60)
    ]
    return {
        "fact_task_status": facts,
        "fact_task_status_change": changes,
        "dim_task_status": [{"status": 7, "status_name": "UNKNOWN(7)", "is_terminal": False}],
        "dim_task_type": [{"task_type": 9, "task_type_name": "UNKNOWN(9)"}],
        "dim_result_code": [
            {"result_code": code, "title": chance.choice(TEXTS), "is_documented": code == "A", "first_seen_at": NOW}
            for code in CODES
            if code
        ],
        "dim_tenant": [{"tenant_id": each, "tenant_name": chance.choice(TEXTS)} for each in TEXTS if each],
        "dead_letter": letters,
    }


def answers_of(url):
    engine = open_engine(SecretStr(url), name="the warehouse", create=True)
    upgrade_warehouse(engine)
    rows = invented()
    with engine.begin() as connection:
        for table, each in rows.items():
            connection.execute(METADATA.tables[table].insert(), each)
    queue = [(row["task_id"], ["pending", "done", "dead"][n % 3]) for n, row in enumerate(rows["fact_task_status"])]
    answers = {}
    for name, question in questions(engine.dialect.name).items():
        for given in GIVEN.get(name, [()]):
            values = read_parameters(
                question, dict(each.split("=", 1) for each in given), now=NOW, last_night=night_of(NOW)
            )
            found = ask(engine, question, values, queue=queue if question.reads_queue else None)
            answers[name, given] = written(found)
    engine.dispose()
    return answers


def written(found):
    """Rows as lines of JSON without hours until the engine's now, in Python's order of text."""
    rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
    for row in rows:
        row.pop("hours_since_submitted", None)
    return sorted(json.dumps(row, default=str) for row in rows)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return answers_of(f"duckdb:///{tmp_path_factory.mktemp('agree')}/warehouse.duckdb")


def test_the_same_answers(reference, tmp_path, server_urls):
    for url in (f"sqlite:///{tmp_path}/warehouse.sqlite", *server_urls):
        answers = answers_of(url)
        for asked, rows in reference.items():
            assert answers[asked] == rows, (url, asked)


def test_there_is_something_to_answer(reference):
    """But of runs."""
    empty = {"answers_of_runs", "drift", "incomplete_runs", "last_runs"}
    assert {name for (name, _), rows in reference.items() if not rows} == empty

"""The same observations make the same tables, whatever the engine."""

from random import Random

import pytest
from pydantic import SecretStr

from etl.database.engine import open_engine
from etl.tasks import FailureReason

TASKS = 5_000
NIGHTS = 2


def night(audit, number):
    """Make up what a night brings; the same for every engine."""
    chance = Random(number)
    outcomes = []
    for index in range(TASKS):
        task_id = str(1_534_087_020_903_704_704 + (chance.randrange(TASKS) << 23))
        minute = number * 1440 + chance.randrange(-60, 60) + chance.random()
        if index % 97 == 0:
            reason = chance.choice(list(FailureReason))
            outcomes.append(
                audit.failed(minute, task_id=task_id, reason=reason, http_status=chance.choice([404, None]))
            )
            continue
        outcomes.append(
            audit.seen(
                chance.choice([0, 1, 2, 2, 2, 3, "3", 7]),
                minute,
                task_id=task_id,
                task_name=chance.choice([None, "", "交接 🙂", 'a,"b"\n\\N', f"name {index}"]),
                task_type=chance.choice([0, "1", None, 9]),
                tenant_id=chance.choice(["d5ac574b", 40086000004871666, None]),
                user_id=chance.randrange(10**18),
                result_code=chance.choice([None, "", 18000205, "18000301"]),
                response_message=chance.choice(["success", "Success."]),
                submitted_at=chance.choice([None, audit.at(minute - 90)]),
            )
        )
    return outcomes


def tables_on(url, audit_on):
    engine = open_engine(SecretStr(url), name="the warehouse", create=True)
    audit = audit_on(engine)
    for number in range(NIGHTS):
        run = audit.begin(f"run-{number}", claimed=TASKS)
        outcomes = night(audit, number)
        for start in range(0, TASKS, 2_000):
            run = audit.load(*outcomes[start : start + 2_000], run=run)
        assert run.is_balanced
        audit.warehouse.finish(run, {("http_status", "200"): TASKS, ("drift", "unknown field é"): 3})
    tables = audit.tables()
    engine.dispose()
    return {name: [tuple(row.values()) for row in rows] for name, rows in tables.items()}


@pytest.fixture
def urls(tmp_path, postgres_url):
    return [f"duckdb:///{tmp_path}/w.duckdb", f"sqlite:///{tmp_path}/w.sqlite", postgres_url]


def test_identical_tables(urls, audit_on):
    duckdb, sqlite, postgresql = (tables_on(url, audit_on) for url in urls)
    for name, rows in duckdb.items():
        # Python's order of text, for every engine has its own.
        assert sorted(rows, key=repr) == sorted(sqlite[name], key=repr) == sorted(postgresql[name], key=repr)
        assert rows, name
    assert len(duckdb["fact_task_status_change"]) > len(duckdb["fact_task_status"]) > TASKS / 2

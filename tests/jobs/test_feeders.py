"""Good tasks are audited in the same night, whatever another program adds in front of them."""

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert

from etl.database.connections import open_engine
from etl.fake_api import Behaviour, Fault
from etl.source.tables import pending_table
from tests.nights import TOKEN, task_ids

OLD = datetime(2, 1, 1, tzinfo=UTC)
GOOD, FORBIDDEN, UNKNOWN = task_ids(700)[:500], task_ids(700)[500:600], task_ids(700)[600:]
REFUSALS = (
    Fault(name="forbidden", task_ids=frozenset(FORBIDDEN)),
    Fault(name="not_found", task_ids=frozenset(UNKNOWN)),
)


def add_in_front(url, ids):
    """Add rows as a program may that has the right to INSERT, older than all others."""
    engine = open_engine(url, name="the pending database")
    with engine.begin() as connection:
        rows = [{"task_id": task_id, "submitted_at": OLD} for task_id in ids]
        connection.execute(insert(pending_table("pending_task")), rows)
    engine.dispose()


@pytest.mark.parametrize("unknown", [1_000, pytest.param(200_000, marks=pytest.mark.soak)])
def test_a_night_that_is_too_short_for_all_audits_the_good_tasks_behind_unknown_ones(night_of, databases, unknown):
    """KooDrive knows no task of the flood, so claims are of the newest tasks, of some at random, and of the oldest."""
    flood, good = [str(number) for number in range(10**17, 10**17 + unknown)], GOOD[:150]
    behaviour = Behaviour(faults=(Fault(name="not_found", task_ids=frozenset(flood)),), token=TOKEN)
    with night_of(behaviour, *databases, run__batch_size=50) as night:
        add_in_front(databases[0], flood)
        night.enqueue(*good)

        run = night.run("run", "--json", "--limit", 4 * len(good))

        assert night.facts() == night.truth(good), run.stderr
        assert json.loads(run.stdout)["dead_lettered"] == 3 * len(good)
        assert "claims_in_turns" in run.stderr


@pytest.mark.parametrize("texts", [3_000, pytest.param(200_000, marks=pytest.mark.soak)])
def test_the_good_tasks_are_audited_behind_any_others(night_of, databases, monkeypatch, texts):
    bound = 2_000 if texts == 3_000 else 100_000
    monkeypatch.setattr("etl.run.claims.MAX_INVALID", bound)
    with night_of(Behaviour(faults=REFUSALS, token=TOKEN), *databases) as night:
        add_in_front(databases[0], [f"no-ID-{number}" for number in range(texts)])
        add_in_front(databases[0], [*FORBIDDEN, *UNKNOWN])
        night.enqueue(*GOOD)

        first = json.loads(night.run("run", "--json").stdout)

        assert night.facts() == night.truth(GOOD)
        assert (first["exit_code"], first["audited"]) == (75, 500)
        assert first["error"].startswith("[invalid-ids-many]")
        assert bound <= first["dead_lettered"] - 200 < texts
        second = json.loads(night.run("run", "--json").stdout)
        assert second["exit_code"] == (65 if texts == 3_000 else 75)
        assert first["dead_lettered"] + second["dead_lettered"] == texts + 200

"""A constraint that was added to a table of the job refuses what a run writes: the run says so, and loses nothing."""

import json

import pytest
from pydantic import SecretStr

from tests.nights import task_ids
from tests.places import SERVERS

ADDED = {
    "CHECK": ["ALTER TABLE fact_task_status ADD CONSTRAINT added CHECK (status < 0)"],
    "foreign key": [
        "CREATE TABLE known (status BIGINT PRIMARY KEY)",
        "ALTER TABLE fact_task_status ADD CONSTRAINT added FOREIGN KEY (status) REFERENCES known (status)",
    ],
}


@pytest.mark.parametrize("added", ADDED)
@pytest.mark.parametrize("engine", [pytest.param(engine, marks=getattr(pytest.mark, engine)) for engine in SERVERS])
def test_a_run_ends_with_78_until_an_added_constraint_is_dropped(engine, added, request, night_of):
    url = SecretStr(request.getfixturevalue(SERVERS[engine]))
    with night_of(None, None, url) as night:
        for statement in ADDED[added]:
            night.change(statement, "warehouse")
        night.enqueue(*task_ids(1_003)[-3:])

        ended = night.run("run", "--json")
        assert ended.exit_code == 78
        error = json.loads(ended.stdout)["error"]
        assert error.startswith("[database-refused] The warehouse")
        assert error.endswith(
            "Drop or correct the constraint that was added to a table of the job; the log has its name."
        )

        night.change("ALTER TABLE fact_task_status DROP CONSTRAINT added", "warehouse")
        assert night.run("run").exit_code == 0
        assert night.rows("SELECT count(*) FROM fact_task_status") == [(3,)]

"""`task-audit init` in processes of its own: several at once, killed in its middle, and against a newer database."""

import os
from functools import partial

import pytest
from sqlalchemy import text

from etl.database.connections import open_engine
from etl.exit_codes import ExitCode
from etl.warehouse.load.loader import Warehouse
from tests import processes
from tests.conftest import MYSQL
from tests.reported_errors import reported_error


@pytest.fixture(params=["sqlite+duckdb", "one sqlite", "one postgresql", *(f"one {engine}" for engine in MYSQL)])
def places(request, two_places):
    return two_places(request.param)


@pytest.fixture
def start_init(places, tmp_path):
    """Start an init of these places: ``start_init()``."""
    source, warehouse = (url.get_secret_value() for url in places)
    urls = {"TASK_AUDIT_SOURCE__URL": source, "TASK_AUDIT_WAREHOUSE__URL": warehouse}
    return partial(processes.start, ["init"], folder=tmp_path, environment=os.environ | urls)


def require_current(places):
    engine = open_engine(places[1], name="the warehouse")
    Warehouse(engine).require_current()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT COUNT(*) FROM dim_task_status")).scalar_one() == 4
        assert connection.execute(text("SELECT COUNT(*) FROM v_run_health")).scalar_one() == 0
    engine.dispose()


def test_three_inits_at_once_create_everything_once(places, start_init):
    running = [start_init() for _ in range(3)]
    outputs = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [ExitCode.OK] * 3, outputs
    out = "".join(stdout for stdout, _ in outputs)
    assert out.count("The warehouse: created") == 1
    assert out.count("The pending table pending_task: created") == 1
    assert out.count("nothing to do") == 4
    require_current(places)


@pytest.mark.parametrize("statements", [5, 20, 30, 45, 60])
def test_an_init_that_was_killed_anywhere_can_be_repeated(places, start_init, statements):
    killed = start_init(statements=statements)
    killed.communicate(timeout=60)
    assert killed.returncode == -9
    again = start_init()
    outputs = again.communicate(timeout=60)
    assert again.returncode == ExitCode.OK, outputs
    require_current(places)


COMMANDS = [
    ("init",),
    ("run",),
    ("status",),
    ("labels", "export"),
    ("query", "last_runs"),
    ("enqueue", "1"),
]


@pytest.mark.parametrize("place", ["source", "warehouse"])
def test_a_newer_database_is_refused_by_every_command(night_of, task_audit, place):
    with night_of() as night:
        version = {"source": "pending_task_version", "warehouse": "task_audit_version"}[place]
        night.change(f"UPDATE {version} SET version_num = 'z9999'", place)
        for command in COMMANDS:
            reads_only_the_other = {"source": {"labels", "query"}, "warehouse": {"enqueue"}}[place]
            ended = task_audit(*command)
            if command[0] in reads_only_the_other:
                assert ended.exit_code == ExitCode.OK, command
                continue
            assert ended.exit_code == ExitCode.CONFIGURATION, command
            assert reported_error(ended).endswith("newer than this program. Upgrade koodrive-task-audit.")

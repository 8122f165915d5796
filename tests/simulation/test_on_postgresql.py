"""Nights on a PostgreSQL server, and the faults on order there."""

from types import SimpleNamespace

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import InternalError

from etl.errors import StoppedError, TransientError
from etl.rate.table import rate_table
from etl.source.enqueue import enqueue
from etl.source.tables import pending_table
from tests.simulation import postgresql_database, sqlite_database
from tests.simulation.machine import instant_at
from tests.simulation.postgresql_database import PostgreSQLDatabase
from tests.simulation.test_simulation import simulate

pytestmark = pytest.mark.postgresql

NIGHTS = 5
TABLE = pending_table("pending_task")
RATE = rate_table(TABLE)


@pytest.fixture(scope="module")
def database(postgres_server):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgresql_database, "MAX_STATEMENT_SECONDS", 1)
        patch.setattr(postgresql_database, "PASSED_OVER", 0)
        yield PostgreSQLDatabase(postgres_server.get_uri(), "queue")


@pytest.fixture
def world(database):
    """A world without faults, which counts the commits and the errors."""
    world = SimpleNamespace(commits=[], errors=[], kind=None)
    world.note_commit, world.note_database_error = world.commits.append, world.errors.append

    def database_fault(_name, kinds):
        kind, world.kind = world.kind, None if world.kind in kinds else world.kind
        return kind if kind in kinds else None

    world.database_fault = database_fault
    database.reset(world, now=lambda: instant_at(5), chance=None)
    return world


def test_no_invariant_breaks_in_fixed_nights_which_are_the_same_in_each_process(postgres_server):
    options = "--story", "--engine", "postgresql", "--server", postgres_server.get_uri()
    all_of_them = simulate(*options, "--nights", str(NIGHTS), hash_seed="1")
    assert (all_of_them.returncode, all_of_them.stderr) == (0, "")
    assert all_of_them.stdout.count("All invariants held.") == NIGHTS, all_of_them.stdout
    last_two = simulate(*options, "--first", str(NIGHTS - 2), "--nights", "2", hash_seed="2")
    assert all_of_them.stdout.endswith(last_two.stdout)
    assert last_two.stdout.count("All invariants held.") == 2


def test_no_invariant_breaks_in_the_nights_that_have_found_a_fault(postgres_server):
    ended = simulate("--found", "--engine", "postgresql", "--server", postgres_server.get_uri())
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout


@pytest.mark.parametrize("kind", postgresql_database.FAULTS)
def test_a_fault_means_the_same_to_the_program_as_on_sqlite(database, world, kind):
    world.kind = kind
    meaning, _ = sqlite_database.FAULTS[kind]
    with pytest.raises(meaning):
        enqueue(database.engine, TABLE, [("1", None)])
    is_written = kind == "lost after commit"
    assert database.rows("SELECT task_id FROM pending_task") == [("1",)] * is_written
    assert (world.commits, world.errors) == (["queue"] * is_written, [])
    enqueue(database.engine, TABLE, [("2", None)])
    assert world.commits[-1:] == ["queue"]


def test_a_statement_after_a_fault_fails_by_itself(database, world):
    with database.engine.connect() as connection:
        world.kind = "deadlock"
        with pytest.raises(TransientError):
            connection.execute(select(RATE))
        with pytest.raises(InternalError):
            connection.execute(select(RATE))
    assert [type(error).__name__ for error in world.errors] == ["InFailedSqlTransaction"]


def test_a_statement_that_waits_for_another_fails_and_breaks_off_the_night(database, world):
    pause = update(RATE).values(holder="a run")
    with database.engine.begin() as holder:
        holder.execute(pause)
        with pytest.raises(StoppedError), database.engine.begin() as waiting:
            waiting.execute(pause)
    assert [type(error).__name__ for error in world.errors] == ["LockNotAvailable"]

"""A run ends with 0 only if no due task is left, whatever is in the queue and whatever the job's user may do."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import text

from etl.database.connections import open_engine
from etl.database.migrations import upgrade
from etl.source.queue import Queue
from etl.source.schema import queue_schema
from etl.source.tables import pending_table
from etl.tasks import Selection
from tests.nights import FIRST_ID, task_ids
from tests.run.test_pipeline import MemoryWarehouse, run_to_end

REFUSED = (
    "CREATE TRIGGER refused BEFORE UPDATE ON pending_task WHEN {} BEGIN SELECT RAISE(IGNORE); END",
    "DROP TRIGGER IF EXISTS refused",
)
RIGHTS = {
    "all": "0",
    "none": "1",
    "no leases": "NEW.lease_owner IS NOT NULL AND OLD.lease_owner IS NULL",
    "some rows": "CAST(NEW.task_id AS INTEGER) % 16777216 = 0",
    "no settlement": "OLD.lease_until IS NOT NULL",
}
TWO_DAYS = timedelta(days=2)
AGES = st.sampled_from([None, timedelta(hours=-30), timedelta(seconds=-5), timedelta(days=3)])
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "state": st.sampled_from(["pending", "pending", "pending", "done", "dead"]),
            "attempts": st.integers(0, 7),
            "fence": st.integers(0, 3),
            "next_check_at": st.one_of(AGES, st.just(timedelta(hours=1))),
            "last_checked_at": AGES,
            "lease_until": AGES,
            "lease_owner": st.sampled_from([None, "dead-run"]),
            "last_status": st.sampled_from([None, 1]),
        }
    ),
    max_size=12,
)


@pytest.fixture
def queue_of(tmp_path):
    """Fill a pending table: ``queue_of(rows, refused_if)`` returns a queue, and a function that reads the rows."""

    table = pending_table("pending_task")
    engine = open_engine(SecretStr(f"sqlite:///{tmp_path}/queue.sqlite"), name="the pending database", create=True)
    upgrade(engine, queue_schema(table))

    def fill(rows, refused_if):
        with engine.begin() as connection:
            connection.execute(text(REFUSED[1]))
            connection.execute(table.delete())
            if rows:
                connection.execute(table.insert(), rows)
            connection.execute(text(REFUSED[0].format(refused_if)))
        queue = Queue(
            engine,
            table,
            Selection(),
            owner="this-run",
            lease=timedelta(minutes=5),
            clock=lambda: datetime.now(UTC),
            claims_allowed=5,
        )

        def read():
            with engine.connect() as connection:
                return connection.execute(table.select()).mappings().all()

        return queue, read

    yield fill
    engine.dispose()


def due(row, *, now, began_at):
    """Say whether a row is due; this is written without the code of the queue."""
    checked_at = row["last_checked_at"]
    if row["state"] != "pending" or waits(row, now=now):
        return False
    return checked_at is None or checked_at < began_at or checked_at > now + TWO_DAYS


def waits(row, *, now):
    """Say whether the time of a row's next check has not come yet, and can be right."""
    next_check_at, checked_at = row["next_check_at"], row["last_checked_at"]
    was_checked_in_future = checked_at is not None and checked_at > now + TWO_DAYS
    return next_check_at is not None and now < next_check_at < now + TWO_DAYS and not was_checked_in_future


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, rights=st.sampled_from(sorted(RIGHTS)))
def test_exit_0_implies_that_no_due_task_is_left(queue_of, monkeypatch, rows, rights):
    monkeypatch.setattr("etl.run.claims.LEASE_POLL_SECONDS", 0.01)
    monkeypatch.setattr("etl.run.claims.LOADED_POLL_SECONDS", 0.001)
    began_at = datetime.now(UTC)
    dated = [
        {
            name: began_at + value if isinstance(value, timedelta) else value
            for name, value in {"task_id": str(FIRST_ID + (number << 23)), **row}.items()
        }
        for number, row in enumerate(rows)
    ]
    queue, read = queue_of(dated, RIGHTS[rights])

    run, waiting = run_and_count_waiting(queue)

    left = [row["task_id"] for row in read() if due(row, now=datetime.now(UTC), began_at=began_at)]
    assert run.exit_code != 0 or not left
    assert run.exit_code in {0, 65} or rights != "all"
    now = datetime.now(UTC)
    due_later = [
        row["next_check_at"]
        for row in read()
        if row["state"] == "pending" and row["last_status"] is not None and waits(row, now=now)
    ]
    assert (waiting.tasks, waiting.next_at) == (len(due_later), min(due_later, default=None))


def run_and_count_waiting(queue):
    """Run to the end; returns the run, and the open tasks that its summary says are due later."""
    records = []
    run = run_to_end(queue, MemoryWarehouse(), note_record=records.append)
    return run, records[0].waiting


def test_a_run_that_claims_nothing_of_what_it_counts_ends_with_78(queue_of):
    rows = [{"task_id": task_id} for task_id in task_ids(20)]
    queue, _ = queue_of(rows, RIGHTS["none"])
    run = run_to_end(queue, MemoryWarehouse())
    assert (run.exit_code, run.claimed) == (78, 0)
    assert run.error.startswith("[tasks-unclaimable] 20 tasks are due, but the pending database does not let this run")


def test_a_run_whose_acknowledgements_are_discarded_ends_with_78(queue_of):
    rows = [{"task_id": task_id} for task_id in task_ids(20)]
    queue, _ = queue_of(rows, RIGHTS["no settlement"])
    run = run_to_end(queue, MemoryWarehouse())
    assert (run.exit_code, run.audited) == (78, 20)
    assert run.error.startswith("[tasks-unclaimable] 20 tasks are done, but the pending database still shows them as ")


def test_acknowledgements_that_one_shared_database_discards_end_a_run_with_78(night_of, tmp_path):
    url = SecretStr(f"sqlite:///{tmp_path}/all.sqlite")
    with night_of(None, url, url) as night:
        night.enqueue(*task_ids(20))
        night.change(REFUSED[0].format(RIGHTS["no settlement"]))
        ended = night.run("run")
        assert ended.exit_code == 78
        assert "[tasks-unclaimable] 20 tasks are done, but the pending database does not let this run settle them." in (
            ended.stderr
        )
        # The transaction is rolled back, so no fact is there without its acknowledgement.
        assert night.facts() == {}
        numbers = "SELECT claimed, audited, dead_lettered, released FROM audit_run"
        assert night.rows(numbers) == [(20, 0, 0, 20)]
        night.change(REFUSED[1])
        night.change("UPDATE pending_task SET lease_until = '2020-01-01 00:00:00'")
        assert night.run("run").exit_code == 0
        assert len(night.facts()) == 20


def test_a_task_that_is_leased_to_no_run_is_not_overlooked(queue_of, monkeypatch):
    """A lease without an owner, which a statement by hand may leave, ends as any other."""
    monkeypatch.setattr("etl.run.claims.LEASE_POLL_SECONDS", 0.05)
    rows = [{"task_id": task_ids(1)[0], "lease_until": datetime.now(UTC) + timedelta(seconds=0.5)}]
    queue, _ = queue_of(rows, RIGHTS["all"])
    run = run_to_end(queue, MemoryWarehouse())
    assert (run.exit_code, run.audited) == (0, 1)


@pytest.mark.slow
@pytest.mark.postgresql
def test_row_level_security_that_shows_rows_and_lets_none_be_updated_ends_with_78(night_of, postgres_url, configure):

    url = SecretStr(postgres_url)
    with night_of(None, url, None) as night:
        night.enqueue(*task_ids(50))
        role = f"reader_{abs(hash(postgres_url))}"
        for statement in (
            f"CREATE ROLE {role} LOGIN",
            f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}",
            f"GRANT USAGE ON SCHEMA public TO {role}",
            "ALTER TABLE pending_task ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY see ON pending_task FOR SELECT USING (true)",
        ):
            night.change(statement)
        try:
            configure(source__url=postgres_url.replace("postgres:@", f"{role}@"))
            result = night.run("run")
            assert result.exit_code == 78
            assert "[tasks-unclaimable] 50 tasks are due" in result.stderr
            night.change("CREATE POLICY change_some ON pending_task FOR UPDATE USING (task_id > '1534087188676')")
            assert night.run("run").exit_code == 78
            night.change("CREATE POLICY change ON pending_task FOR UPDATE USING (true)")
            assert night.run("run").exit_code == 0
        finally:
            night.change(f"DROP OWNED BY {role}")
            night.change(f"DROP ROLE {role}")

"""`task-audit prune` deletes what may go and is old, on every engine; facts and whatever explains them stay."""

import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from etl.archive.rows import ARCHIVE_SCHEMA
from etl.archive.store import Store, file_name
from etl.fake_api import Behaviour
from etl.fake_api.world import StatusWeights
from etl.settings.model import ArchiveSettings
from tests.conftest import each_engine
from tests.nights import TOKEN, task_ids
from tests.sql.roles import JOB
from tests.webhooks import receiving

OLD, LONG_AGO = task_ids(3), "2021-06-01 00:00:00"
RECENT = task_ids(5)[3:]
FINISHED = Behaviour(token=TOKEN, weights=StatusWeights(executing=0, new=0))
STAYING = (
    "fact_task_status",
    "fact_task_status_change",
    "dead_letter",
    "audit_run",
    "dim_task_status",
    "dim_task_type",
    "dim_result_code",
)


@pytest.fixture
def night(night_of, databases):
    """A night with three tasks that were done long ago, two that are just done, and a run of long ago."""
    with receiving() as receiver, night_of(FINISHED, *databases, notify__webhook_url=receiver.url) as night:
        night.enqueue(*OLD, "not-an-id")
        assert night.run("run").exit_code == 65
        night.enqueue(*RECENT)
        assert night.run("run").exit_code == 0
        old = ", ".join(f"'{each}'" for each in OLD)
        night.change(f"UPDATE pending_task SET last_checked_at = '{LONG_AGO}' WHERE task_id IN ({old})")
        ((first,),) = night.rows("SELECT MIN(run_id) FROM audit_run")
        night.change(f"UPDATE audit_run SET started_at = '{LONG_AGO}' WHERE run_id = '{first}'", "warehouse")
        night.change(f"UPDATE notification SET sent_at = '{LONG_AGO}' WHERE run_id = '{first}'", "warehouse")
        yield night


def pruned(night, *arguments):
    result = night.run("prune", "--older-than", "90d", "--json", *arguments)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def counts(night, *tables):
    return {table: night.rows(f"SELECT COUNT(*) FROM {table}") for table in tables}


@each_engine
def test_what_is_old_goes_and_facts_stay(night):
    staying = counts(night, *STAYING)
    counters = dict(night.rows("SELECT run_id, COUNT(*) FROM audit_run_counter GROUP BY run_id"))
    first, second = sorted(counters)
    ((messages,),) = night.rows("SELECT COUNT(*) FROM notification")
    states = night.states()

    counted = pruned(night)
    assert counted.pop("dry_run")
    assert counted.pop("before") < datetime.now(UTC).isoformat()
    assert counted == {"queue": 3, "queue_kept": 0, "counters": counters[first], "messages": messages, "archive": None}
    assert messages
    assert night.states() == states

    done = pruned(night, "--yes")
    assert {name: done[name] for name in counted} == counted
    assert night.states() == {each: state for each, state in states.items() if each not in OLD}
    assert night.rows("SELECT DISTINCT run_id FROM audit_run_counter") == [(second,)]
    assert counts(night, *STAYING, "notification") == staying | {"notification": [(0,)]}

    again = pruned(night, "--yes")
    assert {name: again[name] for name in counted} == dict.fromkeys(counted, 0) | {"archive": None}
    findings = json.loads(night.run("query", "reconciliation", "--format", "json").stdout)
    assert [row["finding"] for row in findings] == ["agreed"]


@each_engine
def test_a_done_task_without_a_finished_fact_stays(night):
    night.change(f"DELETE FROM fact_task_status WHERE task_id = '{OLD[1]}'", "warehouse")
    done = pruned(night, "--yes", "--only", "queue")
    assert (done["queue"], done["queue_kept"], done["counters"]) == (2, 1, None)
    assert OLD[1] in night.states()
    shown = night.run("prune", "--older-than", "90d", "--only", "queue")
    assert shown.stdout.splitlines() == [
        "           0 done tasks in the pending table would go",
        "           1 done tasks stay: the warehouse has no finished fact about them",
    ]


def test_a_pending_or_a_dead_task_stays_however_old_it_is(night_of):
    waiting, dead = task_ids(2)
    with night_of(Behaviour(token=TOKEN)) as night:
        night.enqueue(waiting, dead)
        night.change(f"UPDATE pending_task SET last_checked_at = '{LONG_AGO}'")
        night.change(f"UPDATE pending_task SET state = 'dead' WHERE task_id = '{dead}'")
        assert pruned(night, "--yes")["queue"] == 0
        assert night.states() == {waiting: "pending", dead: "dead"}


def test_old_days_of_an_archive_go_and_other_files_stay(night_of, tmp_path):
    settings = ArchiveSettings(location=str(tmp_path / "answers"))
    store, today = Store(settings), datetime.now(UTC).date()
    kept, gone = today - timedelta(days=90), today - timedelta(days=91)
    for day in (gone, kept):
        store.write(file_name(day, "a-run", number=1), pl.DataFrame(schema=ARCHIVE_SCHEMA))
        store.write(file_name(day, "a-run", number=2), pl.DataFrame(schema=ARCHIVE_SCHEMA))
    (tmp_path / "answers" / "notes.txt").touch()
    with night_of(archive__location=settings.location) as night:
        assert pruned(night)["archive"] == 2
        assert len(store.files()) == 4
        assert pruned(night, "--yes")["archive"] == 2
    assert store.files() == [file_name(kept, "a-run", number=number) for number in (1, 2)]
    assert sorted(each.name for each in (tmp_path / "answers").iterdir()) == sorted([f"{kept}", "notes.txt"])


def test_a_link_in_place_of_a_day_is_not_followed(night_of, tmp_path):
    elsewhere, answers = tmp_path / "elsewhere", tmp_path / "answers"
    elsewhere.mkdir()
    answers.mkdir()
    (elsewhere / "a-run-000001.parquet").touch()
    (answers / "2021-06-01").symlink_to(elsewhere)
    with night_of(archive__location=str(answers)) as night:
        result = night.run("prune", "--older-than", "90d", "--only", "archive", "--yes")
    assert result.exit_code == 69
    assert (elsewhere / "a-run-000001.parquet").exists()


def test_an_archive_in_a_bucket_and_a_table_of_ones_own_are_refused(night_of, configure):
    with night_of(archive__location="s3://answers", archive__s3_endpoint="http://127.0.0.1:9") as night:
        result = night.run("prune", "--older-than", "90d", "--only", "archive")
        assert result.exit_code == 2
        assert "lifecycle rules" in result.stderr
        assert pruned(night)["archive"] is None
        night.change("CREATE TABLE mine (id TEXT)")
        configure(source__mode="read_only", source__table="mine", source__task_id_column="id")
        result = night.run("prune", "--older-than", "90d", "--only", "queue")
        assert result.exit_code == 2
        assert "your own" in result.stderr
        assert pruned(night)["queue"] is None


@pytest.mark.parametrize("age", ["23h", "0d", "soon", "-1d"])
def test_a_night_that_may_not_be_over_is_not_pruned(task_audit, age):
    result = task_audit("prune", "--older-than", age, "--yes")
    assert result.exit_code == 2
    assert "--older-than" in result.stderr


def test_the_job_of_the_grants_may_not_prune(granted_night, user_of, configure):
    granted_night.enqueue(*OLD)
    assert granted_night.run("run").exit_code == 0
    granted_night.change(f"UPDATE pending_task SET last_checked_at = '{LONG_AGO}'")
    user = user_of(JOB).get_secret_value()
    configure(source__url=user, warehouse__url=user)
    result = granted_night.run("prune", "--older-than", "90d", "--yes")
    assert result.exit_code == 78
    assert "permission denied for table pending_task" in result.stderr
    assert set(OLD) <= set(granted_night.states())

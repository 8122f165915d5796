"""A replay restores the tables of the runs, on every engine, without a request to the API."""

import json
from datetime import timedelta

import msgspec
import polars as pl
import pytest
from pydantic import SecretStr

from etl.archive.archive import Archive
from etl.archive.store import Store
from etl.database.connections import open_engine
from etl.fake_api import Behaviour
from etl.jobs.replay import Range, replay_archive
from etl.koodrive.drift import read_answer
from etl.settings.model import ArchiveSettings
from etl.tasks import Observation, RawAnswer
from tests.jobs.test_early_ends import running
from tests.nights import TOKEN, Night, task_ids
from tests.warehouse.conftest import NOON, audit_on  # noqa: F401 - a fixture
from tests.warehouse.test_engines_agree import NIGHTS, TASKS, export, night

LATER = NOON + timedelta(days=3650)
"""After all answers of the tests."""

TABLES_OF_RUNS = {"audit_run", "audit_run_counter"}
"""The archive does not hold what describes the runs themselves."""


def with_answer(outcome):
    """Make an observation of the answer that would have had its detail, and add that answer."""
    if not isinstance(outcome, Observation):
        return outcome
    answer = RawAnswer(
        body=msgspec.json.encode(outcome.detail), http_status=200, content_type="application/json", trace_id="t"
    )
    # A text that is too long is cut when an answer is read.
    detail, _ = read_answer(answer.body)
    return msgspec.structs.replace(outcome, detail=detail, answer=answer)


def exports(audit):
    return {name: export(rows) for name, rows in audit.tables(without=TABLES_OF_RUNS).items()}


def tables_of(night):
    names = ("fact_task_status", "fact_task_status_change", "dim_result_code", "dim_task_status", "dead_letter")
    return {name: sorted(night.rows(f"SELECT * FROM {name}"), key=repr) for name in names}


def test_a_replay_of_hostile_tasks_gives_identical_exports(tmp_path, server_urls, audit_on):  # noqa: F811
    store = Store(ArchiveSettings(location=str(tmp_path / "archive")))

    def opened(url):
        return audit_on(open_engine(SecretStr(url), name="the warehouse", create=True))

    live = opened(f"duckdb:///{tmp_path}/live.duckdb")
    for number in range(NIGHTS):
        run = live.begin(f"run-{number}", claimed=TASKS)
        archive = Archive(store, run_id=run.run_id)
        outcomes = [with_answer(outcome) for outcome in night(live, number)]
        for start in range(0, TASKS, 2_000):
            lasting = [
                each for each in outcomes[start : start + 2_000] if isinstance(each, Observation) or each.is_lasting
            ]
            archive.keep(lasting)
            run = live.load(*lasting, run=run)
    expected = exports(live)
    assert expected["fact_task_status"].count(b"\n") > TASKS / 2
    assert expected["dead_letter"]

    for url in (f"duckdb:///{tmp_path}/w.duckdb", f"sqlite:///{tmp_path}/w.sqlite", *server_urls):
        replayed = opened(url)
        for time in range(2):
            done = replay_archive(store, replayed.warehouse, asked=Range(), clock=lambda: LATER)
            assert done.is_balanced
            assert done.exit_code == 0
            found = exports(replayed)
            differing = {name for name in expected if found[name] != expected[name]}
            # If a task returns to a former answer, a second replay knows the time of that change more exactly.
            assert differing <= ({"fact_task_status_change"} if time else set()), (url, time)
        replayed.engine.dispose()
    live.engine.dispose()


@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_a_night_is_replayed_without_the_api(night_of, tmp_path, configure, place, request):
    settings = {"location": str(tmp_path / "archive")}
    if place == "bucket":
        settings = {**request.getfixturevalue("object_store"), "location": "s3://answers/night"}
    configure(**{f"archive__{name}": value for name, value in settings.items()})
    behaviour = Behaviour(token=TOKEN)
    with night_of(behaviour) as night:
        ids = task_ids(120)
        night.enqueue(*ids, "no ID")
        assert night.run("run").exit_code == 65
        before = tables_of(night)

        # The port is closed, so a request would fail.
        again_url = f"sqlite:///{tmp_path}/again.sqlite"
        configure(warehouse__url=again_url, api__base_url="http://127.0.0.1:9")
        assert night.run("init").exit_code == 0
        done = night.run("replay", "--json")
        assert done.exit_code == 0, done.stderr
        row = json.loads(done.stdout)
        assert (row["claimed"], row["audited"], row["dead_lettered"], row["requests"]) == (121, 120, 1, 0)
        again = Night(night.api, night.run, tmp_path, None, SecretStr(again_url))

        assert tables_of(again) == before
        assert again.rows("SELECT counter, name, number FROM audit_run_counter") == [("outcome", "replayed", 121)]
        assert "CANARY" not in f"{done.stdout}{done.stderr}"
        files = [file.read_bytes() for file in (tmp_path / "archive").rglob("*") if file.is_file()]
        assert not any(b"CANARY" in file for file in files)


def test_a_range_is_replayed(tmp_path, audit_on):  # noqa: F811
    audit = audit_on(open_engine(SecretStr(f"sqlite:///{tmp_path}/w.sqlite"), name="the warehouse", create=True))
    store = Store(ArchiveSettings(location=str(tmp_path / "archive")))
    archive = Archive(store, run_id="run-1")
    archive.keep([with_answer(audit.seen(2, 1440 * day, task_id=str(day + 1))) for day in range(4)])

    asked = Range(since=NOON + timedelta(days=1), until=NOON + timedelta(days=3))
    replay_archive(store, audit.warehouse, asked=asked, clock=lambda: NOON + timedelta(days=9))

    assert [row["task_id"] for row in audit.rows("fact_task_status")] == ["2", "3"]
    audit.engine.dispose()


def test_an_archive_that_cannot_be_written_loses_nothing(night_of, tmp_path, configure):
    (tmp_path / "file").write_text("", encoding="utf-8")
    configure(archive__location=tmp_path / "file")
    with night_of() as night:
        ids = task_ids(5)
        night.enqueue(*ids)
        ended = night.run("run")
        assert ended.exit_code == 69
        assert "Cannot write to the archive" in ended.stderr
        assert (night.facts(), set(night.states().values())) == ({}, {"pending"})
        assert night.run("replay").exit_code == 69

        configure(archive__location=tmp_path / "archive")
        assert night.run("run").exit_code == 0
        assert night.facts() == night.truth(ids)


def test_without_an_archive_there_is_nothing_to_replay(night_of):
    with night_of() as night:
        ended = night.run("replay")
        assert ended.exit_code == 78
        assert "archive.location is not set" in ended.stderr


def test_everything_that_a_killed_run_committed_is_in_the_archive(night_of, tmp_path, configure):
    archive = tmp_path / "archive"
    configure(archive__location=archive, run__batch_size=5)
    behaviour = Behaviour(token=TOKEN, latency_seconds=0.02)
    with night_of(
        behaviour, SecretStr(f"sqlite:///{tmp_path}/p.sqlite"), SecretStr(f"sqlite:///{tmp_path}/w.sqlite")
    ) as night:
        night.enqueue(*task_ids(500))
        with running(night, until_requests=150) as process:
            process.kill()
            process.wait()
        facts = set(night.rows("SELECT task_id, run_id FROM fact_task_status"))
        store = Store(ArchiveSettings(location=str(archive)))
        kept = {(row["task_id"], row["run_id"]) for name in store.files() for row in store.read(name).to_dicts()}

        assert 0 < len(facts) < 500
        assert facts <= kept


def test_a_changed_answer_makes_no_fact(night_of, tmp_path, configure):
    configure(archive__location=tmp_path / "archive")
    with night_of() as night:
        night.enqueue(*task_ids(3))
        assert night.run("run").exit_code == 0
        (file,) = (tmp_path / "archive").rglob("*.parquet")
        pl.read_parquet(file).with_columns(body=pl.lit(b'{"taskId":"1","status":2}')).write_parquet(file)
        configure(warehouse__url=f"sqlite:///{tmp_path}/again.sqlite")
        assert night.run("init").exit_code == 0

        ended = night.run("replay")

        assert ended.exit_code == 65
        assert "about another task" in ended.stderr
        again = Night(night.api, night.run, tmp_path, None, SecretStr(f"sqlite:///{tmp_path}/again.sqlite"))
        assert again.rows("SELECT exit_code, audited FROM audit_run") == [(65, 0)]
        assert again.facts() == {}

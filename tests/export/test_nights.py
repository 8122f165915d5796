"""After any nights an export is a full one, byte for byte, and a reader beside it never sees a half export."""

import shutil
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import delete, update

from etl.database.connections import open_engine
from etl.warehouse.tables import dead_letter, dim_result_code, fact_task_status
from tests.export.reading import checked, days_of, manifest_of
from tests.warehouse.conftest import NOON, audit_on  # noqa: F401 - a fixture

TASKS = [str(1534087020903704704 + (number << 40)) for number in range(6)]

DAY = 24 * 60

answers = st.tuples(
    st.sampled_from(TASKS),
    st.sampled_from([0, 1, 2, 3, 7]),
    # Minutes after noon: a late answer, one of the same instant, one by a clock that is a week ahead.
    st.sampled_from([-3 * DAY, -1, 0, 1, 720, DAY, 7 * DAY]),
    st.sampled_from([None, NOON - timedelta(days=1), NOON, NOON + timedelta(days=30)]),
)

loads = st.lists(answers, min_size=1, max_size=5, unique_by=lambda answer: answer[0])

nights = st.one_of(
    st.tuples(st.just("load"), loads),
    st.tuples(st.just("dead letter"), st.sampled_from(TASKS)),
    st.tuples(st.just("label"), st.sampled_from("ab")),
    st.tuples(st.just("by hand"), st.sampled_from(TASKS)),
    st.tuples(st.just("deleted by hand"), st.sampled_from(TASKS)),
    st.tuples(st.just("part"), st.sampled_from([("fact_task_status",), ("dim_result_code", "audit_run")])),
    st.tuples(st.just("days"), st.sampled_from([NOON.date(), NOON.date() - timedelta(days=1)])),
    st.tuples(st.just("full"), st.none()),
)


class Warehouse:
    """A warehouse in which things happen."""

    def __init__(self, audit, url, export, folder):
        self._audit, self._url, self._export, self._folder = audit, url, export, folder
        self._loads = 0

    def happen(self, what, value):
        match what:
            case "load":
                seen = [
                    self._audit.seen(status, minute, task_id=task, submitted_at=at, result_code=str(status))
                    for task, status, minute, at in value
                ]
                self._loads += 1
                self._audit.load(*seen, run=f"run-{self._loads:03}")
            case "dead letter":
                self._loads += 1
                self._audit.load(self._audit.failed(task_id=value), run=f"run-{self._loads:03}")
            case "label":
                self._write(update(dim_result_code).values(title=value))
            case "by hand":
                self._write(update(fact_task_status).where(fact_task_status.c.task_id == value).values(task_name="x"))
            case "deleted by hand":
                self._write(delete(fact_task_status).where(fact_task_status.c.task_id == value))
                self._write(delete(dead_letter).where(dead_letter.c.task_id == value))
        # DuckDB lets no reader in beside the engine that writes.
        self._audit.engine.dispose()
        limits = {"part": {"tables": value}, "days": {"first": value, "last": value}, "full": {"full": True}}
        self._export(self._url, self._folder, **limits.get(what, {}))
        checked(self._folder)

    def _write(self, statement):
        with self._audit.engine.begin() as connection:
            connection.execute(statement)


stories = st.lists(nights, min_size=1, max_size=6)


@pytest.mark.parametrize("engine", ["sqlite", "duckdb"])
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=stories)
def test_after_any_nights_an_export_equals_a_full_one(story, engine, export, audit_on, tmp_path):  # noqa: F811
    check_story(story, engine, export, audit_on, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("engine", ["sqlite", "duckdb"])
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=stories)
def test_after_very_many_nights_an_export_equals_a_full_one(story, engine, export, audit_on, tmp_path):  # noqa: F811
    check_story(story, engine, export, audit_on, tmp_path)


def check_story(story, engine, export, audit_on, tmp_path):  # noqa: F811
    template = tmp_path / "template"
    if not template.exists():
        _closed(audit_on, SecretStr(f"{engine}:///{template}"))
    with TemporaryDirectory(dir=tmp_path) as folder:
        shutil.copy(template, f"{folder}/warehouse")
        url = SecretStr(f"{engine}:///{folder}/warehouse")
        database = open_engine(url, name="the warehouse")
        warehouse = Warehouse(audit_on(database, upgrade=False), url, export, f"{folder}/out")
        for what, value in story:
            warehouse.happen(what, value)
        export(url, f"{folder}/out")
        export(url, f"{folder}/full", full=True)

        assert days_of(manifest_of(f"{folder}/out")) == days_of(manifest_of(f"{folder}/full"))
        assert manifest_of(f"{folder}/out")["complete"]
        assert checked(f"{folder}/out")["fact_task_status"].height == manifest_of(f"{folder}/out")["tables"][0]["rows"]


def _closed(audit_on, url):  # noqa: F811
    engine = open_engine(url, name="the warehouse", create=True)
    audit_on(engine)
    engine.dispose()


in_sqlite = pytest.mark.parametrize("warehouse_url", ["sqlite"], indirect=True)


@pytest.fixture
def two_nights(warehouse_url, audit_on, export, tmp_path):  # noqa: F811
    """A warehouse with an export of its first night, and changes since, on every engine."""
    engine = open_engine(warehouse_url, name="the warehouse", create=True)
    audit = audit_on(engine)
    day = timedelta(days=1)
    audit.load(*(audit.seen(1, task_id=task, submitted_at=NOON - n * day) for n, task in enumerate(TASKS)), run="r1")
    engine.dispose()
    export(warehouse_url, tmp_path / "out")
    audit.load(audit.seen(2, DAY, task_id=TASKS[0], submitted_at=NOON), run="r2")
    engine.dispose()
    return warehouse_url


def test_only_the_days_that_have_changed_are_written(two_nights, export, tmp_path):
    before = manifest_of(tmp_path / "out")
    done = export(two_nights, tmp_path / "out")

    written = {count.table: (count.written_days, count.written_rows) for count in done.tables if count.written_days}
    # The row of the second run has the day of the first, and an open task has become a finished one.
    assert written == {"fact_task_status": (1, 1), "fact_task_status_change": (1, 1), "audit_run": (1, 2)}
    after = manifest_of(tmp_path / "out")
    assert [each["path"] for each in after["superseded"]] == [
        part["path"]
        for entry in before["tables"]
        for partition in entry["partitions"]
        for part in partition["files"]
        if (entry["name"], partition["day"]) in {("fact_task_status", "2026-11-02"), ("audit_run", "2026-11-02")}
    ]
    assert export(two_nights, tmp_path / "out").bytes == 0


@in_sqlite
def test_a_limited_export_leaves_the_rest_as_it_was(two_nights, export, tmp_path):
    full = export(two_nights, tmp_path / "reference")
    before = manifest_of(tmp_path / "out")
    limited = export(two_nights, tmp_path / "out", tables=("audit_run",))
    other_day = export(
        two_nights, tmp_path / "out", first=NOON.date() - timedelta(days=4), last=NOON.date() - timedelta(days=3)
    )

    after = manifest_of(tmp_path / "out")
    assert [limited.complete, other_day.complete, after["complete"]] == [False, False, False]
    changed = {key for key, value in days_of(after).items() if days_of(before).get(key) != value}
    assert changed == {("audit_run", "2026-11-02")}
    assert full.complete
    export(two_nights, tmp_path / "out")
    assert days_of(manifest_of(tmp_path / "out")) == days_of(manifest_of(tmp_path / "reference"))


@in_sqlite
def test_what_only_some_days_of_is_asked_for_holds_only_these(two_nights, export, tmp_path):
    day = NOON.date() - timedelta(days=2)
    export(two_nights, tmp_path / "some", first=day, last=day, tables=("fact_task_status",))

    (entry,) = manifest_of(tmp_path / "some")["tables"]
    assert [(partition["day"], partition["rows"]) for partition in entry["partitions"]] == [(day.isoformat(), 1)]


@in_sqlite
def test_files_of_earlier_exports_stay_for_a_day(two_nights, export, tmp_path, monkeypatch):
    now = datetime(2026, 11, 9, tzinfo=UTC)
    monkeypatch.setattr("etl.jobs.export.clock_of", lambda _engine: lambda: now)
    out, first = tmp_path / "out", manifest_of(tmp_path / "out")
    export(two_nights, out)
    now += timedelta(hours=23)
    assert export(two_nights, out).deleted_files == 0
    checked(out, first)

    now += timedelta(hours=2)
    assert export(two_nights, out).deleted_files == 2
    named = {part for each in checked_paths(out) for part in each}
    assert {path.relative_to(out).as_posix() for path in out.rglob("*.parquet")} == named
    assert manifest_of(out)["superseded"] == []


def checked_paths(out):
    for entry in manifest_of(out)["tables"]:
        yield [part["path"] for partition in entry["partitions"] for part in partition["files"]]


@in_sqlite
def test_a_file_that_is_missing_or_cut_is_written_again(two_nights, export, tmp_path):
    out = tmp_path / "out"
    export(two_nights, out)
    missing, cut = sorted(out.glob("fact_task_status/day=2026-10-*/*.parquet"))[:2]
    missing.unlink()
    cut.write_bytes(b"PAR1")
    export(two_nights, out)

    assert checked(out)["fact_task_status"].height == len(TASKS)

"""The time column of a table that a run may only read: what is a time, and what happens to any other value."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from etl.errors import ConfigurationError
from etl.source import read_only
from etl.tasks import PendingTask
from etl.times import read_span
from tests.conftest import MYSQL
from tests.source.leavers import MORNING, Leavers, id_at


@pytest.mark.parametrize("written", ["2026-11-01+08:00", "20261101", "2026-11-01 -08:00"])
def test_a_date_means_its_first_instant_in_the_range_and_in_the_task(leavers, written):
    leavers.make()
    leavers.add(id_at(MORNING + timedelta(days=9)), written)
    (task,) = leavers.claim()

    assert task.submitted_at == read_span(written, now=MORNING).start
    assert leavers.claim(since=task.submitted_at, until=task.submitted_at + timedelta(seconds=1)) == [task]


@pytest.mark.parametrize(("time_type", "number"), [("INTEGER", 1730419200), ("REAL", 2460000.5), ("TEXT", 2460000)])
def test_a_number_of_sqlite_is_no_time(tmp_path, time_type, number):
    leavers = Leavers(SecretStr(f"sqlite:///{tmp_path}/leavers.sqlite"))
    leavers.make(time_type=time_type)
    by_id = id_at(MORNING)
    leavers.add(by_id, number)
    leavers.add("1", "2026-11-01")

    assert PendingTask(task_id=by_id) in leavers.claim()
    assert [task.task_id for task in leavers.claim(since=MORNING, until=MORNING + timedelta(days=1))] == ["1", by_id]
    leavers.engine.dispose()


def test_a_date_whose_month_is_doubtful_is_no_time(leavers):
    leavers.make()
    leavers.add("2", "11/01/2026")
    leavers.add("1", "2026-11-01")

    assert leavers.claim() == [PendingTask(task_id="2"), PendingTask(task_id="1", submitted_at=MORNING)]


@pytest.mark.parametrize("id_type", ["BIGINT", "TEXT", "NUMERIC(19)"])
@pytest.mark.parametrize(
    ("time_type", "written"),
    [
        ("TIMESTAMPTZ", "2026-11-01T08:00:00+08:00"),
        ("TIMESTAMP", "2026-11-01 00:00:00"),
        ("DATE", "2026-11-01"),
        ("TEXT", "2026-11-01T00:00:00Z"),
        ("VARCHAR(30)", "2026-11-01"),
    ],
)
def test_reads_every_type_of_column(postgres_leavers, id_type, time_type, written):
    postgres_leavers.make(id_type, time_type)
    postgres_leavers.add("1534087020903704704", written)

    assert postgres_leavers.claim() == [PendingTask(task_id="1534087020903704704", submitted_at=MORNING)]


@pytest.mark.parametrize("queue_url", MYSQL, indirect=True)
@pytest.mark.parametrize(
    ("id_type", "time_type", "written"),
    [
        ("BIGINT", "TIMESTAMP", "2026-11-01 00:00:00"),
        ("VARCHAR(30)", "DATETIME", "2026-11-01 00:00:00"),
        ("DECIMAL(19)", "DATE", "2026-11-01"),
        ("CHAR(19)", "VARCHAR(30)", "2026-11-01T00:00:00Z"),
        ("TEXT", "VARCHAR(40)", " 2026-11-01T08:00:00.0000009 +08:00 "),
        ("BIGINT UNSIGNED", "TEXT", "2026-10-31 19:00-05:00"),
        ("VARBINARY(30)", "TEXT", "20261101T000000Z"),
    ],
)
def test_reads_every_type_of_mysql(leavers, id_type, time_type, written):
    leavers.make(id_type, time_type)
    leavers.add("1534087020903704704", written)

    assert leavers.claim() == [PendingTask(task_id="1534087020903704704", submitted_at=MORNING)]


def test_reads_numbers_of_sqlite(tmp_path):
    leavers = Leavers(SecretStr(f"sqlite:///{tmp_path}/leavers.sqlite"))
    leavers.make("INTEGER")
    leavers.add("1534087020903704704")

    assert leavers.claim() == [PendingTask(task_id="1534087020903704704")]
    leavers.engine.dispose()


def test_the_time_in_the_id_replaces_a_missing_column(leavers):
    leavers.make()
    later, earlier = id_at(MORNING + timedelta(days=1)), id_at(MORNING)
    leavers.add(later, "2020-01-01")
    leavers.add(earlier, "2030-01-01")

    assert leavers.claim(submitted_at_column=None) == [PendingTask(task_id=earlier), PendingTask(task_id=later)]


ODD_TIMES = ["soon", "now", "infinity", "", "11/01/2026", "2026-02-29", "2026-11-01 25:00"]


def test_a_value_that_is_no_time_is_named_and_the_time_in_the_id_counts(leavers, capsys):
    leavers.make()
    by_id = {id_at(MORNING + timedelta(hours=number)): odd for number, odd in enumerate(ODD_TIMES)}
    for task_id, odd in by_id.items():
        leavers.add(task_id, odd)
    leavers.add("1", "2028-02-29T00:00:00Z")

    *odd, good = leavers.claim()

    # SQLite sorts a 29 February as the day after the 28th.
    assert set(odd) == {PendingTask(task_id=task_id) for task_id in by_id}
    assert good == PendingTask(task_id="1", submitted_at=datetime(2028, 2, 29, tzinfo=UTC))
    # Another test of this process may have chosen the stream and the format.
    line = re.sub(r"\x1b\[[0-9;]*m", "", "".join(capsys.readouterr()))
    assert "times_unreadable" in line
    assert re.search(rf"tasks\W+{len(ODD_TIMES)}\b", line)
    assert next(iter(by_id)) in line


@pytest.mark.parametrize("time_type", ["TIMESTAMPTZ", "TIMESTAMP", "DATE"])
@pytest.mark.parametrize("odd", ["infinity", "-infinity", "0044-03-15 BC", "20260-01-01"])
def test_a_time_of_postgresql_that_python_cannot_hold_is_named(postgres_leavers, time_type, odd):
    postgres_leavers.make(time_type=time_type)
    postgres_leavers.add("2", odd)
    postgres_leavers.add("1", "2026-11-01")

    assert postgres_leavers.claim() == [PendingTask(task_id="2"), PendingTask(task_id="1", submitted_at=MORNING)]


def test_a_column_without_times_is_reported_in_one_line(leavers):
    leavers.make()
    for number in range(read_only.ROWS_TO_JUDGE):
        leavers.add(str(number), "soon")

    with pytest.raises(ConfigurationError, match=r"None of 10 times.*source\.submitted_at_column") as refused:
        leavers.claim()

    assert "\n" not in str(refused.value)
    # The column may be the wrong one, and hold names.
    assert "soon" not in str(refused.value)

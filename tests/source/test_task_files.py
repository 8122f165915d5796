"""Files of task IDs as people make them, and the errors for files that cannot be used."""

import io
import os
from datetime import UTC, date, datetime
from threading import Thread
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import InputError
from etl.source.task_files import check_ids, read_pending

ID = "1534087020903704704"
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def read(content):
    data = content.encode() if isinstance(content, str) else content
    return list(read_pending(io.BytesIO(data), name="leavers"))


def parquet(**columns):
    file = io.BytesIO()
    pl.DataFrame(columns).write_parquet(file)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        f"{ID}\n42\n",
        f"{ID}\r\n42",
        f"\ufeff{ID}\n\n  42  \n\n",
        f"task_id\n{ID}\n42\n",
        f"\ufefftask_id\r\n{ID}\r\n42\r\n",
        f'"task_id","name"\n"{ID}","Li, Mei"\n"42","two\nlines"\n',
        f"name, task_id ,größe\nLi,{ID},1\n\n,42\n,,\n",
        f"\n\ntask_id\n{ID}\n42\n",
        f'{{"task_id": {ID}}}\n\n{{"task_id": "42", "name": "Li"}}\n',
        f'\ufeff{{"task_id": {ID}, "submitted_at": null}}\r\n{{"task_id": 42}}',
        parquet(task_id=pl.Series([int(ID), 42], dtype=pl.Int64)),
        parquet(task_id=pl.Series([int(ID), 42], dtype=pl.UInt64), name=["Li", "Mei"]),
        parquet(task_id=[ID, "42"], submitted_at=[None, None]),
    ],
)
def test_every_form_of_the_same_two_tasks(content):
    assert read(content) == [(ID, None), ("42", None)]


@pytest.mark.parametrize(
    "content", ["", "\n \n", "\ufeff", "task_id\n", "task_id;name\n", parquet(task_id=pl.Series([], dtype=pl.String))]
)
def test_an_empty_file_is_no_error(content):
    assert read(content) == []


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-01",
        "2026-01-01T00:00:00Z",
        "2026-01-01 00:00:00",
        "2026-01-01T08:00:00+08:00",
        " 2026-01-01 ",
        "20260101",
        "2026-W01-4",
        "2026-01-01+00:00",
        "2025-12-31 16:00:00 America/Los_Angeles",
    ],
)
def test_times_as_text(written):
    expected = [("1", NEW_YEAR)]

    assert read(f"submitted_at,task_id\n{written},1\n") == expected
    assert read(f'{{"task_id": 1, "submitted_at": "{written}"}}') == expected
    assert read(parquet(task_id=[1], submitted_at=[written])) == expected


@pytest.mark.parametrize(
    "value",
    [
        date(2026, 1, 1),
        datetime(2026, 1, 1),  # noqa: DTZ001 - naive is UTC
        NEW_YEAR,
        NEW_YEAR.astimezone(ZoneInfo("Asia/Shanghai")),
    ],
)
def test_times_of_parquet(value):
    assert read(parquet(task_id=[1], submitted_at=[value])) == [("1", NEW_YEAR)]


@pytest.mark.parametrize("blank", ["", "   "])
def test_a_blank_time_means_an_unknown_time(blank):
    assert read(f"task_id,submitted_at\n1,{blank}\n") == [("1", None)]


def test_a_short_row_has_no_time():
    assert read("task_id,submitted_at\n1\n") == [("1", None)]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("my_task_id,name\n1,Li\n", r"leavers, line 1: 'my_task_id,name' is more than a task ID"),
        ("id,name\n1,Li\n", r"leavers, line 1: 'id,name' is more than a task ID.*header"),
        (f"\n{ID}\t2026-01-01\n", r"leavers, line 2: .* is more than a task ID"),
        (f"[{ID}]", r"leavers is a JSON array"),
        ("task_id,submitted_at\n1,2026-01-01\n2,soon\n", r"leavers, line 3: 'soon' is not a time"),
        ("task_id,submitted_at\n1,1730419200\n", r"leavers, line 2: '1730419200' is not a time"),
        ("task_id,submitted_at\n1,1730419200000\n", r"leavers, line 2: '1730419200000' is not a time"),
        ("task_id,submitted_at\n1,11/01/2026\n", r"leavers, line 2: '11/01/2026' is not a time"),
        ("task_id,submitted_at\n1,yesterday\n", r"leavers, line 2: 'yesterday' is not a time"),
        ("task_id,submitted_at\n1,0001-01-01\n", r"leavers, line 2: '0001-01-01' is not a time"),
        ("task_id,submitted_at\n1,9999-12-31T23:59:59-08:00\n", r"line 2: .* is not a time"),
        ('task_id,name\n1,"two\nlines"\n,Li\n', r"leavers, line 4: '' is not a task ID"),
        ("task_id,name\n1,Li,Mei\n", r"leavers, line 2, has more fields than the header"),
        ('task_id\n1\n"2\n3\n', r"leavers, line 4, is not CSV"),
        ("task_id\n" + "1" * 200_000 + "\n", r"leavers, line 2, is not CSV: field larger"),
        ("1" * 256, r"leavers, line 1: '1{40}' is not a task ID. It has more than 19 digits"),
        ("1\n2\0\n", r"leavers, line 2: .* is not a task ID"),
        (b"1\n2\n\xff\n", r"leavers, line 3, is not UTF-8"),
        ("1\n".encode("utf-16"), r"leavers is text in UTF-16"),
        ('{"task_id": 1}\n{"task_id": \n', r"leavers, line 2, is not JSON"),
        ('{"task_id": 1}\n[2]\n', r"leavers, line 2, is not a JSON object"),
        ('{"task_id": 1}\n{"id": 2}\n', r"leavers, line 2, has no column task_id. It has 'id'"),
        ('{"task_id": 1.534087020903704704e18}', r"leavers, line 1: '1.53\S*' is not a task ID"),
        ('{"task_id": true}', r"leavers, line 1: 'True' is not a task ID"),
        ('{"task_id": 1, "submitted_at": 1730419200}', r"leavers, line 1: '1730419200' is not a time"),
        (parquet(id=[1]), r"leavers has no column task_id"),
        (parquet(task_id=[1, None]), r"leavers, row 2: 'None' is not a task ID"),
        (parquet(task_id=[1.5e18]), r"leavers: the column task_id holds values of the type Float64"),
        (parquet(task_id=[1], submitted_at=[1730419200]), r"leavers: the column submitted_at holds .* Int64"),
        (parquet(task_id=["1"] * 99)[:-20], r"leavers cannot be read as Parquet"),
        (b"PAR1", r"leavers cannot be read as Parquet"),
    ],
)
def test_an_error_names_the_file_and_the_line(content, complaint):
    with pytest.raises(InputError, match=complaint) as refused:
        read(content)

    assert "\n" not in str(refused.value)


def test_the_rows_before_an_error_are_read():
    rows = read_pending(io.BytesIO(b"task_id\n1\n2\n\xff\n"), name="leavers")

    assert [next(rows), next(rows)] == [("1", None), ("2", None)]


@pytest.mark.parametrize("content", [f"task_id\n{ID}\n", parquet(task_id=[ID]), f'{{"task_id": {ID}}}'])
def test_reads_from_a_pipe(content):
    data = content.encode() if isinstance(content, str) else content
    read_end, write_end = os.pipe()

    def write():
        with open(write_end, "wb") as pipe:  # noqa: PTH123 - a descriptor has no path
            pipe.write(data)

    writer = Thread(target=write)
    writer.start()
    with open(read_end, "rb") as pipe:  # noqa: PTH123 - the same
        assert list(read_pending(pipe, name="-")) == [(ID, None)]
    writer.join()


def test_arguments_are_task_ids():
    assert list(check_ids(["1", " 2 "])) == [("1", None), ("2", None)]


@pytest.mark.parametrize("wrong", ["", " ", "1" * 20, "1\0", "nonsense", os.fsdecode(b"\xff")])
def test_a_wrong_argument_is_named_by_its_number(wrong):
    with pytest.raises(InputError, match=r"Argument 2: .* is not a task ID"):
        list(check_ids(["1", wrong]))


@given(st.lists(st.integers(0, 10**19 - 1)))
def test_no_form_changes_an_id(numbers):
    expected = [(str(number), None) for number in numbers]

    assert read("".join(f'{{"task_id": {number}}}\n' for number in numbers)) == expected
    assert read("task_id\n" + "".join(f"{number}\n" for number in numbers)) == expected
    assert read("".join(f"{number}\n" for number in numbers)) == expected
    assert read(parquet(task_id=pl.Series(numbers, dtype=pl.UInt64))) == expected


@given(st.binary(max_size=200))
def test_any_bytes_are_tasks_or_an_error(data):
    try:
        rows = read(data)
    except InputError:
        return
    assert all(task_id == task_id.strip() != "" for task_id, _ in rows)


def test_a_panic_of_the_reader_is_a_malformed_file(monkeypatch):
    def panic(*_arguments, **_keywords):
        raise pl.exceptions.PanicException("a harmless one")

    monkeypatch.setattr(pl, "scan_parquet", panic)
    with pytest.raises(InputError, match=r"^\[file-malformed\] leavers cannot be read as Parquet: It is damaged"):
        read(parquet(task_id=[1]))

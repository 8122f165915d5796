"""The pending table takes all new tasks or none, in bounded memory."""

import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime

import polars as pl
import pytest

from etl.error_codes import Code
from etl.errors import InputError
from etl.source.enqueue import CHUNK_ROWS, Enqueued, enqueue
from etl.source.task_files import check_ids
from tests.processes import PEAK_KIB

MORNING = datetime(2026, 11, 1, 0, 0, 0, 123_456, tzinfo=UTC)
MANY = 100_000


def test_counts_the_new_ones(board):
    board.add("1", state="done")

    assert enqueue(board.engine, board.table, check_ids(["1", "2", "3", "2"])) == Enqueued(4, 2, Counter(done=1), 1)
    board.add("4", state="dead")
    again = enqueue(board.engine, board.table, check_ids(["1", "2", "3", "1", "4"]))
    assert again == Enqueued(given=5, new=0, settled=Counter(done=1, dead=1), repeated=1)
    assert {task_id: row["state"] for task_id, row in board.rows().items()} == {
        "1": "done",
        "2": "pending",
        "3": "pending",
        "4": "dead",
    }


def test_keeps_the_time_and_the_one_that_was_there_first(board):
    enqueue(board.engine, board.table, [("1", MORNING), ("2", None), ("1", None)])

    assert board.row("1")["submitted_at"] == MORNING
    assert board.row("2")["submitted_at"] is None


def test_a_refused_row_adds_nothing_of_what_came_before(board):
    def rows():
        yield from check_ids(map(str, range(CHUNK_ROWS + 1)))
        raise InputError("Line 5002 is wrong.", code=Code.FILE_MALFORMED, remedy="Fix it.")

    with pytest.raises(InputError):
        enqueue(board.engine, board.table, rows())

    assert board.rows() == {}


def test_a_dry_run_counts_and_adds_nothing(board):
    board.add("1", state="done")
    board.add("2")

    counted = enqueue(board.engine, board.table, check_ids(["1", "2", "3", "3", "4"]), dry_run=True)

    assert counted == Enqueued(given=5, new=2, settled=Counter(done=1), repeated=1)
    assert counted.known == 2
    assert set(board.rows()) == {"1", "2"}


def test_repeats_are_counted_across_transactions(board):
    ids = [str(number) for number in range(1, CHUNK_ROWS + 2)]

    assert enqueue(board.engine, board.table, check_ids([*ids, *ids[:3], "01"])) == Enqueued(
        given=len(ids) + 4, new=len(ids) + 1, repeated=3
    )


def test_nothing_to_add(board):
    assert enqueue(board.engine, board.table, []) == Enqueued(given=0, new=0)


MEASURED = f"""
import sys
from pathlib import Path
from pydantic import SecretStr
from etl.database.connections import open_engine
from etl.database.migrations import upgrade
from etl.source.enqueue import enqueue
from etl.source.task_files import read_pending
from etl.source.schema import queue_schema
from etl.source.tables import pending_table

table = pending_table("pending_task")
engine = open_engine(SecretStr(sys.argv[1]), name="the pending database", create=True)
upgrade(engine, queue_schema(table))

def add(path):
    with open(path, "rb") as file:
        return enqueue(engine, table, read_pending(file, name=path)).new

assert add(sys.argv[2]) == 1000
before = {PEAK_KIB}
print(add(sys.argv[3]), {PEAK_KIB} - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_large_file_needs_no_large_memory(tmp_path, form):
    def write(name, start, number):
        file = tmp_path / f"{name}.{form}"
        tasks = pl.DataFrame({"task_id": pl.int_range(start, start + number, eager=True)}).with_columns(
            submitted_at=pl.lit(MORNING)
        )
        if form == "csv":
            tasks.write_csv(file)
        else:
            tasks.write_parquet(file)
        return file

    files = [write("few", 10**18, 1_000), write("many", 15 * 10**17, MANY)]

    command = [sys.executable, "-c", MEASURED, f"sqlite:///{tmp_path}/pending.sqlite", *files]
    measured = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    added, growth_kib = map(int, measured.split())
    assert added == MANY
    assert growth_kib < 30 * 1024

"""Notebooks of the job's DuckDB and of DuckDB 2 keep the read copy open all night, and stop no run."""

import sys
from contextlib import ExitStack

import duckdb
import pytest
from pydantic import SecretStr

from tests.duckdb_holders import notebook
from tests.field.parts import environment_with
from tests.nights import task_ids

DUCKDB_2, LAST_RELEASE = "duckdb==2.0.1", "2026-11-28"

FACTS = "SELECT count(*) FROM v_task_status"


@pytest.fixture(scope="module")
def python_with_duckdb_2():
    with environment_with(DUCKDB_2, until=LAST_RELEASE) as python:
        yield python


@pytest.fixture
def copy(tmp_path):
    return tmp_path / "analysts" / "tasks.duckdb"


@pytest.fixture
def night(night_of, tmp_path, copy):
    copy.parent.mkdir()
    warehouse = SecretStr(f"duckdb:///{tmp_path}/warehouse.duckdb")
    with night_of(warehouse_url=warehouse, warehouse__read_copy=copy) as night:
        yield night


@pytest.mark.duckdb
def test_ten_nights_end_with_0_while_notebooks_keep_every_copy_open(night, copy, python_with_duckdb_2):
    with ExitStack() as notebooks:
        for number, task_id in enumerate(task_ids(10)):
            versions = set()
            for python in (sys.executable, python_with_duckdb_2):
                # The notebooks of each night stay open, as those of several analysts would.
                reader = notebooks.enter_context(notebook(copy, python=python))
                versions.add(reader.version)
                assert reader.ask(FACTS) == f"[({number},)]"
            assert versions == {duckdb.__version__, "2.0.1"}
            night.enqueue(task_id)
            assert night.run("run").exit_code == 0
            with duckdb.connect(str(copy), read_only=True) as newest:
                assert newest.execute(FACTS).fetchone() == (number + 1,)
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]

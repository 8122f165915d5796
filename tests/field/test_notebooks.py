"""The Python of the page for notebooks runs as it stands, in an environment with its libraries."""

import re
import subprocess

import duckdb
import pytest
from pydantic import SecretStr

from etl.database.connections import open_engine
from etl.warehouse.schema import upgrade_warehouse
from etl.warehouse.tables import METADATA
from tests.documents.pages import text_of
from tests.field.parts import environment_with
from tests.sql.morning import all_rows

BLOCKS = re.findall(r"```python\n(.*?)```", text_of("docs/how-to/notebooks.md"), re.DOTALL)
LIBRARIES = (
    f"duckdb=={duckdb.__version__}",
    "pandas==3.1.1",
    "pyarrow==26.0.1",
    "polars==2.1.0",
    "sqlalchemy==2.1.9",
    "psycopg[binary]==3.3.9",
    "adbc-driver-postgresql==1.13.0",
)
LAST_RELEASE = "2026-11-28"
ADDRESS = r"(postgresql(?:\+psycopg)?)://ann@db.internal/warehouse\?"


def fill(url, schema=None):
    engine = open_engine(SecretStr(url), name="the warehouse", schema=schema, create=True)
    upgrade_warehouse(engine, schema=schema)
    with engine.begin() as connection:
        for table, rows in all_rows():
            connection.execute(METADATA.tables[table].insert(), rows)
    engine.dispose()


@pytest.mark.postgresql
@pytest.mark.duckdb
def test_each_block_of_python_gives_a_frame(postgres_url, tmp_path, monkeypatch, subtests):
    monkeypatch.chdir(tmp_path)
    fill(postgres_url, "audit")
    for name in ("duckdb", "sqlite"):
        fill(f"{name}:///warehouse.{name}")
    place = postgres_url.removeprefix("postgresql") + ("&" if "?" in postgres_url else "?")
    assert len(BLOCKS) == 6
    with environment_with(*LIBRARIES, until=LAST_RELEASE) as python:
        for number, block in enumerate(BLOCKS):
            with subtests.test(number=number):
                check_frame(python, re.sub(ADDRESS, lambda found: found[1] + place, block))


def check_frame(python, block):
    """Run a block in a process of its own, since a notebook closes its engine with the process."""
    named = next(name for name in ("failures", "days", "tasks") if f"{name} = " in block)
    ended = subprocess.run([python, "-c", f"{block}\nprint(len({named}))"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert int(ended.stdout) > 1

"""The Python of the page for notebooks runs as it stands, where its libraries are installed."""

import re
import subprocess
import sys

import pytest
from pydantic import SecretStr

from etl.database.connections import open_engine
from etl.warehouse.schema import upgrade_warehouse
from etl.warehouse.tables import METADATA
from tests.documents.pages import text_of
from tests.sql.morning import all_rows

BLOCKS = re.findall(r"```python\n(.*?)```", text_of("docs/how-to/notebooks.md"), re.DOTALL)
LIBRARIES = ("pandas", "adbc_driver_postgresql", "pyarrow")
"""What the development environment lacks: they are large. The blocks were tried with them by hand."""


def needs(block):
    found = {library for library in LIBRARIES if library in block}
    if ".pl()" in block or "adbc" in block:
        found.add("pyarrow")
    return found | ({"adbc_driver_postgresql"} if "adbc" in block else set())


def fill(url, schema=None):
    engine = open_engine(SecretStr(url), name="the warehouse", schema=schema, create=True)
    upgrade_warehouse(engine, schema=schema)
    with engine.begin() as connection:
        for table, rows in all_rows():
            connection.execute(METADATA.tables[table].insert(), rows)
    engine.dispose()


@pytest.mark.postgresql
@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_a_block_of_python_gives_a_frame(block, request, tmp_path, monkeypatch):
    for library in sorted(needs(block)):
        pytest.importorskip(library)
    monkeypatch.chdir(tmp_path)
    if "postgresql" in block:
        url = request.getfixturevalue("postgres_url")
        fill(url, "audit")
        block = re.sub(
            r"(postgresql(?:\+psycopg)?)://ann@db.internal/warehouse\?",
            lambda found: found[1] + url.removeprefix("postgresql") + ("&" if "?" in url else "?"),
            block,
        )
    else:
        for name in ("duckdb", "sqlite"):
            fill(f"{name}:///warehouse.{name}")
    named = next(name for name in ("failures", "days", "tasks") if f"{name} = " in block)
    # In a process of its own, since a notebook closes its engine with the process.
    ended = subprocess.run(
        [sys.executable, "-c", f"{block}\nprint(len({named}))"], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert int(ended.stdout) > 1


def test_every_block_was_looked_for():
    assert len(BLOCKS) == 6

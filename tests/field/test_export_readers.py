"""The readers of the how-to on exports get the rows of the warehouse, each with its libraries in an environment."""

import subprocess

import pytest
from pydantic import SecretStr

from etl.database.connections import open_engine
from etl.warehouse.schema import upgrade_warehouse
from etl.warehouse.tables import fact_task_status
from tests.export.conftest import export  # noqa: F401 - a fixture
from tests.export.test_how_to import blocks
from tests.export.test_readers import AT, TEXTS, fact
from tests.field.parts import environment_with

pytestmark = pytest.mark.soak

LAST_RELEASE = "2026-11-28"

LIBRARIES = (
    "duckdb-extension-ducklake==1.5.5",
    "polars[deltalake]==2.1.0",
    "pyarrow==26.0.1",
    "pyiceberg[pyarrow,sql-sqlite]==0.12.0",
)

READERS = {
    "with_pyarrow": "rows.sort_by('task_id').to_pylist()",
    "with_delta": "pl.read_delta('delta/fact_task_status').sort('task_id').to_dicts()",
    "with_iceberg": "catalog.load_table('audit.fact_task_status').scan().to_arrow().sort_by('task_id').to_pylist()",
}
"""How each reader shows all facts."""

FIND = """
import importlib.resources
extension = next(importlib.resources.files("duckdb_extension_ducklake").rglob("*.duckdb_extension"))
"""
"""The extension in a wheel, which a machine with the network would install with INSTALL ducklake."""

SHOW = """
for row in {rows}:
    print([row["task_id"], row["task_name"], row["task_type"], str(row["submitted_at"]), str(row["status_changed_at"])])
"""


def expected(rows):
    return [
        str(
            [
                row["task_id"],
                row["task_name"],
                row["task_type"],
                str(row["submitted_at"]),
                str(row["status_changed_at"]),
            ]
        )
        for row in rows
    ]


@pytest.fixture(scope="module")
def libraries():
    with environment_with(*LIBRARIES, until=LAST_RELEASE) as python:
        yield python


@pytest.fixture
def exported(tmp_path, export):  # noqa: F811
    """Export facts with odd texts into the folder ``export``; the function changes them and exports again."""
    url = SecretStr(f"sqlite:///{tmp_path}/warehouse.sqlite")
    engine = open_engine(url, name="the warehouse", create=True)
    upgrade_warehouse(engine)
    rows = [fact(number, task_name=text, task_type=2**63 - 1 - number) for number, text in enumerate(TEXTS)]

    def again(*changed):
        with engine.begin() as connection:
            connection.execute(fact_task_status.delete())
            connection.execute(fact_task_status.insert(), list(changed))
        export(url, tmp_path / "export")
        return expected(changed)

    again(*rows)
    yield rows, again
    engine.dispose()


def printed(python, program, folder):
    done = subprocess.run([python, "-c", program], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


@pytest.mark.sqlite
@pytest.mark.parametrize("title", READERS)
def test_a_reader_gets_the_rows_and_times_of_the_warehouse(exported, libraries, tmp_path, title):
    facts, _ = exported
    program = blocks()[title] + SHOW.format(rows=READERS[title])

    assert printed(libraries, program, tmp_path) == expected(facts)


@pytest.mark.sqlite
def test_clickhouse_reads_the_files_of_an_export(exported, tmp_path):
    program = blocks()["with_clickhouse"].replace(
        "count() FROM", "count(), min(submitted_at), any(toTypeName(submitted_at)) FROM"
    )
    program = program.replace("status = 3", "status = 2") + "\nprint(answer)"
    with environment_with("chdb==4.4.0", until=LAST_RELEASE) as python:
        (line, *_) = printed(python, program, tmp_path)

    assert line == f'{len(TEXTS)},"{AT:%Y-%m-%d %H:%M:%S.%f}","Nullable(DateTime64(6, \'UTC\'))"'


@pytest.mark.sqlite
def test_ducklake_follows_an_export_by_the_days_that_are_new(exported, libraries, tmp_path):
    facts, again = exported
    rows = "lake.sql('FROM lake.fact_task_status ORDER BY task_id').pl().to_dicts()"
    load = "LOAD '{extension}'"
    program = FIND + blocks()["with_ducklake"].replace('"LOAD ducklake"', f"f\"{load}; SET TimeZone = 'UTC'\"")

    assert printed(libraries, program + SHOW.format(rows=rows), tmp_path) == expected(facts)
    changed = again(*facts[3:], fact(99, at=None))
    assert sorted(printed(libraries, program + SHOW.format(rows=rows), tmp_path)) == sorted(changed)

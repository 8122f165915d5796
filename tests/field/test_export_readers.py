"""The readers of the how-to on exports get the rows of the warehouse, each with its libraries in an environment."""

import json
import subprocess
from datetime import datetime

import pytest
from pydantic import SecretStr

from etl.database.connections import open_engine
from etl.warehouse.schema import upgrade_warehouse
from etl.warehouse.tables import fact_task_status
from tests.export.conftest import add, export  # noqa: F401 - fixtures
from tests.export.reading import manifest_of
from tests.export.test_how_to import blocks
from tests.export.test_readers import AT, TEXTS, fact, filled, rows_in  # noqa: F401 - a fixture
from tests.field.parts import environment_with
from tests.warehouse.conftest import audit_on  # noqa: F401 - a fixture

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


PYARROW = """
import json
import pyarrow as pa
import pyarrow.parquet as pq

def written(value):
    return f"{value:%Y-%m-%d %H:%M:%S.%f}" if hasattr(value, "hour") else str(value)

for name, files in json.load(open("files.json")).items():
    table = pa.concat_tables([pq.read_table(file, partitioning=None) for file in files])
    types = {each.name: str(each.type) for each in table.schema}
    print(json.dumps([name, types, table.to_pylist()], default=written))
"""

CLICKHOUSE = """
import json
import chdb

settings = "SETTINGS use_hive_partitioning = 0, output_format_json_quote_64bit_integers = 0"
for name, files in json.load(open("files.json")).items():
    source = f"file('{{{','.join(files)}}}', Parquet)"
    described = chdb.query(f"DESCRIBE {source} {settings} FORMAT JSON").data()
    types = {each["name"]: each["type"] for each in json.loads(described)["data"]}
    rows = json.loads(chdb.query(f"SELECT * FROM {source} {settings} FORMAT JSON").data())["data"]
    print(json.dumps([name, types, rows]))
"""

CLICKHOUSE_TYPES = {
    "int64": "Nullable(Int64)",
    "double": "Nullable(Float64)",
    "bool": "Nullable(Bool)",
    "string": "Nullable(String)",
    "date32[day]": "Nullable(Date32)",
    "timestamp[us, tz=UTC]": "Nullable(DateTime64(6, 'UTC'))",
}


def written(value):
    """Write a time as the programs above do."""
    return f"{value:%Y-%m-%d %H:%M:%S.%f}" if isinstance(value, datetime) else str(value)


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


@pytest.fixture(scope="module")
def clickhouse():
    with environment_with("chdb==4.4.0", until=LAST_RELEASE) as python:
        yield python


@pytest.mark.parametrize("reader", ["pyarrow", "clickhouse"])
def test_a_reader_gets_all_rows_types_and_times_of_every_engine(filled, export, request, tmp_path, reader):  # noqa: F811
    # Arrow has two forms of text, which hold the same; polars writes that for more than 2 GiB.
    program, types = (PYARROW, {"string": "large_string"}) if reader == "pyarrow" else (CLICKHOUSE, CLICKHOUSE_TYPES)
    export(filled, tmp_path / "out")
    tables = manifest_of(tmp_path / "out")["tables"]
    files = {
        table["name"]: [f"out/{file['path']}" for day in table["partitions"] for file in day["files"]]
        for table in tables
    }
    (tmp_path / "files.json").write_text(json.dumps(files), encoding="utf-8")
    python = request.getfixturevalue("libraries" if reader == "pyarrow" else "clickhouse")

    found = [json.loads(line) for line in printed(python, program, tmp_path)]

    assert [name for name, _, _ in found] == list(files)
    for table, (name, found_types, rows) in zip(tables, found, strict=True):
        wanted = [json.loads(json.dumps(row, default=written)) for row in rows_in(filled, name)]
        assert sorted(rows, key=repr) == sorted(wanted, key=repr)
        assert found_types == {each["name"]: types.get(each["type"], each["type"]) for each in table["columns"]}


@pytest.mark.sqlite
def test_clickhouse_reads_the_files_of_an_export(exported, clickhouse, tmp_path):
    program = blocks()["with_clickhouse"].replace(
        "count() FROM", "count(), min(submitted_at), any(toTypeName(submitted_at)) FROM"
    )
    program = program.replace("status = 3", "status = 2") + "\nprint(answer)"
    (line, *_) = printed(clickhouse, program, tmp_path)

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

"""A file of DuckDB lets in one writer or several readers: commands that only read are readers."""

import base64
import zlib

import duckdb
import pytest
from pydantic import SecretStr

from tests.duckdb_holders import notebook
from tests.nights import task_ids
from tests.reported_errors import reported_error

READING = [
    ("status",),
    ("status", "--json"),
    ("query", "last_runs"),
    ("query", "reconciliation"),
    ("report", "--since", "2026-11-01"),
    ("plan",),
    ("prune", "--older-than", "90d"),
    ("dead-letters", "list"),
    ("labels", "export"),
]

WRITING = [("run",), ("labels", "import"), ("dead-letters", "retry", "--all"), ("doctor",), ("init",)]

MADE_BY_DUCKDB_2 = (
    "c-rmPF$#eJ6bEpHasgSaHhuY|K2jDR3r0#-jzCHd;4oH$16W*u6DSVBASp!_W%&J;f3Np?!`t3&xIJ!`g>Kw$c23E}S7zm)6ol{l)p1k}!^)&q`n>1"
    "dSPZi5TybB&WYg=_Gywnr0Q|%un$Pp2xc8{9FP@XBdt~m>aykG20Pz0<0001g;|B5kHyH"
)
"""An empty file of DuckDB 2.0.1."""


@pytest.fixture
def file(tmp_path):
    return tmp_path / "warehouse.duckdb"


@pytest.fixture
def night(night_of, file):
    with night_of(warehouse_url=SecretStr(f"duckdb:///{file}")) as night:
        yield night


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr("etl.database.engines.duckdb.LOCK_WAIT_SECONDS", 0.3)
    monkeypatch.setattr("etl.database.engines.duckdb.LOCK_POLL_SECONDS", 0.01)


@pytest.mark.duckdb
def test_commands_that_read_run_beside_a_notebook_that_reads(night, file):
    night.enqueue(*task_ids(1))
    with notebook(file) as open_notebook:
        results = {" ".join(command): night.run(*command) for command in READING}
        assert open_notebook.ask("SELECT count(*) FROM fact_task_status") == "[(0,)]"

    assert {name: result.exit_code for name, result in results.items()} == dict.fromkeys(results, 0)
    # A reader leaves nothing in the file or beside it.
    assert {path.name for path in file.parent.glob("*duckdb*")} == {file.name}


@pytest.mark.duckdb
def test_a_dry_run_over_a_table_of_ones_own_reads_too(night, file, configure, tmp_path):
    configure(source__mode="read_only")
    with notebook(file):
        assert night.run("run", "--dry-run").exit_code == 0


@pytest.mark.duckdb
def test_the_error_of_a_command_that_writes_names_the_holder_and_the_remedy(night, file, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text(night.run("labels", "export").stdout, encoding="utf-8")
    with notebook(file) as holder:
        for command in WRITING:
            result = night.run(*command, *([labels] if command[-1] == "import" else []))
            said = reported_error(result) if command != ("doctor",) else result.stdout
            assert result.exit_code == 75, command
            assert f"(PID {holder.pid})" in said
            assert "waiting_for_lock" in result.stderr
            assert "read-only mode" not in f"{said}{result.stderr}"
            assert "warehouse.read_copy" in said


@pytest.mark.duckdb
def test_the_error_of_a_command_that_reads_beside_a_writer_names_it(night, file):
    with notebook(file, access="write") as holder:
        result = night.run("status")

    assert result.exit_code == 75
    assert f"(PID {holder.pid})" in reported_error(result)


@pytest.mark.duckdb
def test_a_command_that_reads_says_that_the_warehouse_is_behind_a_migration(night, file):
    with duckdb.connect(str(file)) as warehouse:
        warehouse.execute("UPDATE task_audit_version SET version_num = 'w0001'")
    with notebook(file):
        result = night.run("status")

    assert result.exit_code == 78
    assert "Error [schema-outdated]: The warehouse is of an older version (w0001)." in result.stderr


@pytest.mark.duckdb
def test_a_schema_that_is_missing_is_not_set_up_yet(night, configure):
    configure(warehouse__schema="audit")
    for command in ("status", "run"):
        result = night.run(command)
        assert result.exit_code == 78
        assert "The warehouse is not set up yet." in reported_error(result)


@pytest.mark.duckdb
def test_a_file_of_a_newer_duckdb_is_a_wrong_configuration(night, file):
    file.write_bytes(zlib.decompress(base64.b85decode(MADE_BY_DUCKDB_2)))
    for command in ("status", "run", "init"):
        result = night.run(command)
        assert result.exit_code == 78
        assert "Error [database-newer]: The warehouse" in result.stderr
        assert "version number 69" in reported_error(result)

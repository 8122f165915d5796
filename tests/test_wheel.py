"""The package as a user installs it: a wheel, unpacked into an empty place."""

import os
import subprocess
import sys
import zipfile

import pytest

from etl.resources import PACKAGE


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """A folder that holds the wheel's files and nothing of the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=PACKAGE.parent, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def run_installed(installed, folder, *arguments):
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(installed)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_demo_runs_from_a_wheel(installed, tmp_path):
    where = run_installed(installed, tmp_path, "-c", "import etl; print(etl.__file__)")
    assert where.stdout.startswith(str(installed))

    result = run_installed(installed, tmp_path, "-m", "etl", "demo")

    assert result.returncode == 0, result.stderr
    assert "v_failures_by_result_code" in result.stdout
    assert (tmp_path / "task-audit-demo" / "warehouse.duckdb").exists()


def test_a_wheel_asks_questions(installed, tmp_path):
    assert run_installed(installed, tmp_path, "-m", "etl", "init").returncode == 0

    result = run_installed(installed, tmp_path, "-m", "etl", "query", "time_to_end", "--format", "json")

    assert (result.returncode, result.stdout.strip()) == (0, "[]"), result.stderr


def test_a_wheel_explains_its_errors(installed, tmp_path):
    result = run_installed(installed, tmp_path, "-m", "etl", "explain", "bug")

    assert result.stdout.startswith("# bug\n"), result.stderr


def test_a_wheel_brings_sql_and_configurations_but_no_tests(installed):
    names = {path.relative_to(installed).as_posix() for path in installed.rglob("*") if path.is_file()}

    assert {"etl/sql/views/v_task_status.sql", "etl/sql/queries/last_runs.sql", "etl/configs/production.toml"} <= names
    assert {"etl/sql/queries/mysql/time_to_end.sql", "etl/configs/labels.csv"} <= names
    assert {"etl/docs/errors/database-locked.md", "etl/docs/errors/index.md"} <= names
    assert {"etl/warehouse/migrations/versions/w0001_warehouse.py", "etl/py.typed"} <= names
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"etl", "koodrive_task_audit"}

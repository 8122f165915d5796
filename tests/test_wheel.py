"""The package as a user installs it: a wheel, unpacked into an empty place."""

import os
import re
import shutil
import subprocess
import sys
import zipfile

import pytest
import yaml

from etl import __version__
from etl.resources import PACKAGE
from tests.wheels import metadata_of

ROOT = PACKAGE.parent
RELEASE_TIME = "1794000000"


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


def built(source, target):
    environment = {"PATH": os.environ["PATH"], "SOURCE_DATE_EPOCH": RELEASE_TIME}
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--directory", str(target)],
        cwd=source,
        env=environment,
        check=True,
        capture_output=True,
    )
    return {file.name: file for file in target.iterdir()}


def test_two_builds_have_the_same_bytes_and_metadata_that_the_index_takes(tmp_path):
    """The second build is from a copy whose files have other times and other permissions."""
    copy = tmp_path / "copy"
    ignored = shutil.ignore_patterns(".venv", ".git", ".*_cache", ".hypothesis", "__pycache__", "build", "dist")
    shutil.copytree(ROOT, copy, ignore=ignored, copy_function=shutil.copyfile)
    for file in copy.rglob("*"):
        is_program = os.access(ROOT / file.relative_to(copy), os.X_OK)
        file.chmod(0o700 if file.is_dir() or is_program else 0o600)

    first, second = built(ROOT, tmp_path / "first"), built(copy, tmp_path / "second")

    assert len(first) == 2
    assert {name: file.read_bytes() for name, file in first.items()} == {
        name: file.read_bytes() for name, file in second.items()
    }
    for file in first.values():
        assert str(metadata_of(file).version) == __version__


def test_every_place_names_the_same_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(\d.+?)\] - (\d{4}-\d\d-\d\d)$", changelog, re.MULTILINE)
    assert (citation["version"], citation["date-released"]) == versions[0]
    assert citation["version"] == __version__
    named = set(re.findall(r"koodrive_task_audit-(.+?)-py3", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert named == {__version__}


def test_the_workflow_of_a_release_has_few_rights_and_calls_targets_that_exist():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))
    jobs = workflow["jobs"]
    assert workflow["permissions"] == {}
    assert [name for name, job in jobs.items() if job["permissions"].get("contents") == "write"] == []
    assert jobs["publish"]["environment"] == "release"
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    targets = [target for command in commands for target in re.findall(r"make (\w+)", command)]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert targets == ["release"]
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)

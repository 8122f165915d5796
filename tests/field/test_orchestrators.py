"""The examples of cron/ in a real Airflow and a real Dagster, from wheels: a night, a refusal, and each exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from etl.exit_codes import ExitCode
from tests.field.parts import environment_with
from tests.nights import task_ids

HERE = Path(__file__).parent
CRON = HERE.parents[1] / "cron"
PROGRAM = "/opt/task-audit/bin/task-audit"
LAST_RELEASE = "2026-11-28"
"""No package that is younger is installed, so that these tests find the same ones tomorrow."""

ENDS = {
    str(int(code)): "succeeded" if code == ExitCode.OK else "retried" if code.retry else "final" for code in ExitCode
}


@pytest.fixture
def programs(tmp_path):
    """Make a program for each exit code: it prints the row of a run, and ends with the code."""
    made = {}
    for code in ENDS:
        file = tmp_path / f"ends-with-{code}"
        file.write_text(f"#!/bin/sh\necho '{{\"claimed\": 3}}'\nexit {code}\n", encoding="utf-8")
        file.chmod(0o755)
        made[code] = str(file)
    return json.dumps(made)


@pytest.fixture
def placed(tmp_path):
    """Copy an example into a folder of its own, with the program of these tests; return the folder."""

    def place(example):
        program = tmp_path / "task-audit"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m etl "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        folder = tmp_path / "examples"
        folder.mkdir()
        text = (CRON / example).read_text(encoding="utf-8")
        assert PROGRAM in text
        (folder / Path(example).name).write_text(text.replace(PROGRAM, str(program)), encoding="utf-8")
        return folder

    return place


def printed(python, script, *arguments, **variables):
    """Run a script in an environment, and return the JSON of its last line."""
    command = [python, HERE / script, *arguments]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_airflow_runs_the_dag_and_retries_by_the_exit_code(night_of, placed, programs, tmp_path):
    ids = task_ids(20)
    folder = placed("airflow/task_audit_dag.py")
    with environment_with("apache-airflow==3.3.2", until=LAST_RELEASE) as python, night_of() as night:
        night.enqueue(*ids)
        found = printed(
            python,
            "in_airflow.py",
            folder,
            programs,
            AIRFLOW_HOME=str(tmp_path / "airflow"),
            AIRFLOW__CORE__DAGS_FOLDER=str(folder),
            AIRFLOW__CORE__LOAD_EXAMPLES="False",
        )
        assert night.facts() == night.truth(ids)

    assert found["errors"] == []
    assert found["codes"] == ENDS
    state, tries, row = found["night"]
    assert (state, tries) == ("success", 1)
    assert row["claimed"] == row["audited"] == 20
    assert found["wrong configuration"] == ["failed", 1, None]


def test_dagster_materializes_the_asset_and_retries_by_the_exit_code(night_of, placed, programs):
    ids = task_ids(20)
    folder = placed("dagster/task_audit_asset.py")
    with environment_with("dagster==1.13.29", until=LAST_RELEASE) as python, night_of() as night:
        night.enqueue(*ids)
        found = printed(python, "in_dagster.py", programs, PYTHONPATH=str(folder))
        assert night.facts() == night.truth(ids)

    assert found["codes"] == ENDS
    succeeded, retries, numbers = found["night"]
    assert (succeeded, retries) == (True, 0)
    assert numbers["claimed"] == numbers["audited"] == "20"
    assert found["wrong configuration"] == [False, 0, {}]

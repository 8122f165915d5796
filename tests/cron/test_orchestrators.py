"""The examples for orchestrators agree with the exit codes, and load if the orchestrator is installed."""

import ast
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

CRON = Path(__file__).parents[2] / "cron"
EXAMPLES = {"airflow": CRON / "airflow/task_audit_dag.py", "dagster": CRON / "dagster/task_audit_asset.py"}
INSTALLED = [name for name in EXAMPLES if find_spec(name)]

RAN = 'print(\'{"claimed": 3, "audited": 3}\')'


def constants(file):
    """Return the constants of a file without importing it."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id.isupper()
    }


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_agrees_with_the_exit_codes(name, final):
    assert constants(EXAMPLES[name])["NEEDS_A_PERSON"] == final


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_program_accepts_the_command_line_of_an_example(name, task_audit):
    text = EXAMPLES[name].read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if "command = [" in line]
    arguments = ast.literal_eval(line.partition("[program, ")[2].join(["[", ""]))

    done = task_audit(*arguments, "--help")
    assert done.exit_code == 0, done.stderr


@pytest.fixture
def program(tmp_path):
    """Make a program that prints the row of a run and ends with a given code."""

    def make(code):
        file = tmp_path / f"ends-with-{code}"
        file.write_text(f"#!{sys.executable}\nimport sys\n{RAN}\nsys.exit({code})\n", encoding="utf-8")
        file.chmod(0o755)
        return str(file)

    return make


if "dagster" in INSTALLED:

    def test_the_asset_loads_and_is_retried_by_exit_code(program, final, retryable):
        import dagster

        from cron.dagster import task_audit_asset as example

        assert example.run_job(program(0)) == {"claimed": 3, "audited": 3}
        for code in final | retryable:
            with pytest.raises(dagster.Failure) as failure:
                example.run_job(program(code))
            assert failure.value.allow_retries == (code in retryable)
        assert dagster.Definitions.validate_loadable(example.definitions) is None


if "airflow" in INSTALLED:

    def test_the_dag_loads_and_is_retried_by_exit_code(program, final, retryable):
        from airflow.sdk.exceptions import AirflowFailException

        from cron.airflow import task_audit_dag as example

        assert example.audit.function(program(0)) == {"claimed": 3, "audited": 3}
        for code in final:
            with pytest.raises(AirflowFailException):
                example.audit.function(program(code))
        for code in retryable:
            with pytest.raises(subprocess.CalledProcessError):
                example.audit.function(program(code))
        assert example.task_audit().task_ids == ["audit"]

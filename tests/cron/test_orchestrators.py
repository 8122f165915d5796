"""The examples for orchestrators agree with the exit codes and the command line; tests/field runs them."""

import ast
from pathlib import Path

import pytest

CRON = Path(__file__).parents[2] / "cron"
EXAMPLES = {"airflow": CRON / "airflow/task_audit_dag.py", "dagster": CRON / "dagster/task_audit_asset.py"}


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

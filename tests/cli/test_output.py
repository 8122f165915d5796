"""Stdout on a full disk, or on a pipe whose reader has ended."""

import os
import subprocess
import sys

import pytest

from etl.fake_api import Behaviour
from tests.nights import TOKEN, task_ids

JOB = [sys.executable, "-m", "etl"]


@pytest.fixture
def night(night_of):
    with night_of(Behaviour(token=TOKEN)) as night:
        night.enqueue(*task_ids(50))
        yield night


@pytest.fixture
def full_disk():
    with open("/dev/full", "w") as disk:  # noqa: PTH123 - a device
        yield disk


@pytest.fixture
def dead_pipe():
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


def job(*arguments, folder, stdout):
    return subprocess.run(
        [*JOB, *arguments], cwd=folder, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )


@pytest.mark.slow
@pytest.mark.parametrize("stdout", ["full_disk", "dead_pipe"])
def test_a_run_keeps_its_exit_code(night, tmp_path, stdout, request):
    night.change("INSERT INTO pending_task (task_id) VALUES ('no-number')")
    finished = job("run", "--json", folder=tmp_path, stdout=request.getfixturevalue(stdout))
    assert finished.returncode == 65
    assert '"output_not_written"' in finished.stderr
    assert "Traceback" not in finished.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["status", "--json"],
        ["query", "stuck_tasks", "--format", "csv"],
        ["query"],
        ["enqueue", "7"],
        ["--help"],
    ],
    ids=" ".join,
)
def test_another_command_ends_with_a_named_error(night, tmp_path, full_disk, arguments):
    finished = job(*arguments, folder=tmp_path, stdout=full_disk)
    assert finished.returncode == 69
    assert "Error [output-unwritable]: Stdout cannot be written: No space left on device." in finished.stderr
    assert "Traceback" not in finished.stderr


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["status"], ["status", "--json"], ["query"]], ids=" ".join)
def test_a_command_prints_no_error_if_its_reader_has_ended(night, tmp_path, dead_pipe, arguments):
    finished = job(*arguments, folder=tmp_path, stdout=dead_pipe)
    assert (finished.returncode, finished.stderr) == (141, "")

"""A night does not depend on its log: stderr on a full disk, without a reader, or closed."""

import json
import os
import subprocess
import sys

import pytest

from etl.fake_api import Behaviour
from etl.observe.streams import LossyOutput
from tests.nights import TOKEN, task_ids

JOB = [sys.executable, "-m", "etl"]


@pytest.fixture
def full_disk():
    with open("/dev/full", "w") as disk:  # noqa: PTH123 - a device
        yield disk


def dead_pipe():
    reader, writer = os.pipe()
    os.close(reader)
    return writer


@pytest.fixture
def night(night_of):
    with night_of(Behaviour(token=TOKEN)) as night:
        night.enqueue(*task_ids(300))
        yield night


def lines_lost(night):
    return dict(night.rows("SELECT run_id, number FROM audit_run_counter WHERE counter = 'log'"))


def job(*arguments, folder, **streams):
    return subprocess.run([*JOB, *arguments], cwd=folder, timeout=60, check=False, **streams)


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--log-format", "console"], ["-v"]], ids=str)
def test_with_stderr_on_a_full_disk_a_night_is_complete(night, tmp_path, full_disk, options):
    finished = job("run", "--json", *options, folder=tmp_path, stdout=subprocess.PIPE, stderr=full_disk)
    assert (finished.returncode, json.loads(finished.stdout)["audited"]) == (0, 300)
    assert night.facts() == night.truth(task_ids(300))
    assert lines_lost(night)[json.loads(finished.stdout)["run_id"]] >= 2


@pytest.mark.slow
def test_with_stderr_on_a_dead_pipe_a_run_ends_with_its_own_exit_code(night, tmp_path):
    night.change("INSERT INTO pending_task (task_id) VALUES ('no-number')")
    writer = dead_pipe()
    finished = job("run", folder=tmp_path, stderr=writer)
    os.close(writer)
    assert finished.returncode == 65
    assert night.rows("SELECT exit_code, audited FROM audit_run") == [(65, 300)]


@pytest.mark.slow
def test_a_reader_that_dies_in_the_middle_of_a_run_changes_nothing(night_of, tmp_path):
    with night_of(Behaviour(token=TOKEN, latency_seconds=0.01), run__batch_size=50) as night:
        night.enqueue(*task_ids(500))
        with subprocess.Popen([*JOB, "run"], cwd=tmp_path, stderr=subprocess.PIPE) as program:
            assert b"run_planned" in program.stderr.readline()
            program.stderr.close()
            assert program.wait(timeout=60) == 0
        assert night.rows("SELECT outcome, audited FROM audit_run") == [("succeeded", 500)]
        assert night.rows("SELECT count(*) FROM pending_task WHERE lease_owner IS NOT NULL", "source") == [(0,)]


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["2>&-", "0<&- 2>&-", "0<&- 1>&- 2>&-"])
def test_with_closed_streams_a_night_is_complete_and_no_database_gets_their_descriptors(night, tmp_path, closed):
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh", *JOB, "run"]
    assert subprocess.run(shell, cwd=tmp_path, timeout=60, check=False).returncode == 0
    assert night.facts() == night.truth(task_ids(300))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code"), [(["run", "--nonsense"], 2), (["doctor", "--config", "none.toml"], 78), (["--help"], 0)]
)
def test_a_command_ends_with_its_own_exit_code_although_its_error_is_lost(tmp_path, full_disk, arguments, code):
    assert job(*arguments, folder=tmp_path, stdout=subprocess.DEVNULL, stderr=full_disk).returncode == code


def test_a_log_says_how_many_lines_it_lost_and_no_line_is_glued_to_half_another(tmp_path):
    """The disk takes a part of a line, then nothing, and then all again."""
    file = tmp_path / "log"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT)
    full = os.open("/dev/full", os.O_WRONLY)
    output = LossyOutput(descriptor)
    output.write(b"one\n")
    output.write(b"tw")
    kept = os.dup(descriptor)
    os.dup2(full, descriptor)
    output.write(b"o\n")
    output.write(b"three\nfour\n")
    assert (output.lines_lost, output.is_lossy) == (3, True)
    os.dup2(kept, descriptor)
    output.write(b"five\n")
    for each in (descriptor, full, kept):
        os.close(each)
    assert (output.lines_lost, output.is_lossy) == (3, False)
    assert file.read_text() == "one\ntw\nfive\n"


def test_lost_lines_are_reported_as_soon_as_lines_are_taken_again(capsys, monkeypatch):
    from etl.observe import logs

    monkeypatch.setattr(logs, "lines_lost", lambda: 7)
    monkeypatch.setattr(logs.LineWriter, "_reported", 0)
    logs.configure_logs("json", verbose=False)
    logs.log.info("batch_loaded", tasks=1, audited=1)
    logs.log.info("batch_loaded", tasks=1, audited=2)
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(event["event"], event.get("lines")) for event in events] == [
        ("batch_loaded", None),
        ("log_lines_lost", 7),
        ("batch_loaded", None),
    ]

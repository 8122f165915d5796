"""`task-audit config new` asks at a terminal and takes options elsewhere; `doctor` names what is still missing."""

import json
import os
import pty
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from etl.fake_api import Behaviour, running_in_thread


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_without_a_file_stdout_has_the_configuration_and_stderr_the_next_steps(task_audit):
    result = task_audit("config", "new")
    assert result.exit_code == 0
    assert 'url = "sqlite:///pending.sqlite"' in result.stdout
    assert "doctor" not in result.stdout
    assert "task-audit --config FILE doctor" in result.stderr
    assert list(Path().iterdir()) == []


def test_a_file_is_overwritten_only_by_force(task_audit):
    first = task_audit("config", "new", "--out", "new.toml")
    assert (first.exit_code, first.stdout) == (0, "")
    second = task_audit("config", "new", "--auth", "app", "--out", "new.toml")
    assert second.exit_code == 2
    assert "--force" in second.stderr
    assert 'auth = "token"' in Path("new.toml").read_text(encoding="utf-8")
    assert task_audit("config", "new", "--auth", "app", "--out", "new.toml", "--force").exit_code == 0
    assert 'auth = "app"' in Path("new.toml").read_text(encoding="utf-8")


def test_a_file_that_cannot_be_written(task_audit):
    result = task_audit("config", "new", "--out", "missing/new.toml")
    assert result.exit_code == 2
    assert "Cannot write missing/new.toml" in result.stderr


def test_a_wrong_configuration_in_force_does_not_matter(task_audit, configure):
    configure(run__batch_size="many")
    assert task_audit("config", "new").exit_code == 0


def test_a_person_at_a_terminal_is_asked(tmp_path):
    terminal, program = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "etl", "config", "new"], stdin=program, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        os.write(terminal, b"postgresql\nn\n\napp\n\n")
        stdout, stderr = process.communicate(timeout=30)
    os.close(terminal)
    os.close(program)
    assert process.returncode == 0, stderr
    assert stdout == b""
    written = Path("task-audit.toml").read_text(encoding="utf-8")
    assert re.findall('^(?:url|auth) = "([a-z]+)', written, re.MULTILINE) == ["postgresql", "app", "duckdb"]
    assert f"{tmp_path}/secrets/app_secret".encode() in stderr


def steps_followed(result, secret):
    """Do what is said to be done with each secret."""
    for command in re.findall(r"^ +(\(umask .*)$", result.stderr, re.MULTILINE):
        subprocess.run(["/bin/sh", "-c", command], input=secret, text=True, check=True)


def findings(task_audit):
    doctor = task_audit("--config", "new.toml", "doctor", "--json")
    return {found["subject"]: found["state"] for found in json.loads(doctor.stdout)}, doctor


def test_the_doctor_names_what_is_missing_and_after_the_steps_nothing(task_audit, configure, tmp_path):
    result = task_audit("config", "new", "--auth", "app", "--out", "new.toml")
    app = {"app_id": "a378331e", "app_secret": "CANARY-s3cret"}
    with running_in_thread(Behaviour(**app)) as api:
        # What the steps say to look at.
        configure(api__base_url=api.base_url, api__user_id="1", api__app_id=app["app_id"])
        states, _ = findings(task_audit)
        missing = {subject for subject, state in states.items() if state == "failure"}
        assert missing == {"secrets", "pending database", "warehouse", "API"}

        steps_followed(result, f"{app['app_secret']}\n")
        assert task_audit("--config", "new.toml", "init").exit_code == 0
        states, doctor = findings(task_audit)
        assert set(states.values()) == {"ok"}, doctor.stdout
        assert doctor.exit_code == 0
    (file,) = (tmp_path / "secrets").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

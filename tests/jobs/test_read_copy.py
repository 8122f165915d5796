"""The copy of the warehouse for readers: who renews it, and that no command fails by it."""

import json
import os
import signal
import sqlite3
from contextlib import closing

import pytest

from etl.database import file_copies
from tests.nights import task_ids
from tests.reported_errors import reported_error


@pytest.fixture
def copy(tmp_path):
    return tmp_path / "analysts" / "tasks.sqlite"


@pytest.fixture
def night(night_of, copy, tmp_path):
    copy.parent.mkdir()
    with night_of(warehouse__read_copy=copy, archive__location=tmp_path / "archive") as night:
        yield night


def facts(copy):
    with closing(sqlite3.connect(f"file:{copy}?mode=ro", uri=True)) as reader:
        return reader.execute("SELECT count(*) FROM v_task_status").fetchone()[0]


def failures(result):
    lines = [json.loads(line) for line in result.stderr.splitlines() if line.startswith("{")]
    return [line["said"] for line in lines if line["event"] == "read_copy_failed"]


def test_each_command_that_writes_to_the_warehouse_renews_the_copy(night, copy, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text(night.run("labels", "export").stdout, encoding="utf-8")
    night.enqueue(*task_ids(3))
    writing = [
        ("init",),
        ("run",),
        ("replay",),
        ("labels", "import", labels),
        ("dead-letters", "retry", "--all"),
        ("dead-letters", "discard", "--all"),
        ("prune", "--older-than", "90d", "--yes"),
    ]
    for command in writing:
        copy.unlink(missing_ok=True)
        assert night.run(*command).exit_code == 0, command
        assert facts(copy) == (0 if command == ("init",) else 3)
    copy.unlink()
    for command in (("status",), ("run", "--dry-run"), ("plan",), ("prune", "--older-than", "90d")):
        assert night.run(*command).exit_code == 0
    assert not copy.exists()


def test_a_run_that_ends_early_has_renewed_it_too(night, copy):
    night.enqueue(*task_ids(3))
    assert night.run("run", "--limit", "2").exit_code == 0
    assert facts(copy) == 2


def test_a_copy_that_fails_is_a_warning_alone(night, copy, monkeypatch):
    night.enqueue(*task_ids(1))
    copy.unlink()
    copy.parent.rmdir()
    result = night.run("run", "--log-format", "json")
    assert result.exit_code == 0
    assert ["No such file or directory" in said for said in failures(result)] == [True]

    def fail(*_):
        raise RuntimeError("a bug")

    copy.parent.mkdir()
    monkeypatch.setattr(file_copies, "_synchronize", fail)
    result = night.run("run", "--log-format", "json")
    assert (result.exit_code, failures(result)) == (0, ["a bug"])
    assert list(copy.parent.iterdir()) == []


def test_a_signal_ends_the_copy_and_not_the_verdict(night, copy, monkeypatch):
    monkeypatch.setattr(file_copies, "_synchronize", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    result = night.run("run", "--log-format", "json")
    assert (result.exit_code, failures(result)) == (0, ["A signal has interrupted it."])
    assert list(copy.parent.iterdir()) == [copy]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_doctor_says_of_when_the_copy_is_and_whether_a_run_can_renew_it(night, copy):
    def findings():
        found = json.loads(night.run("doctor", "--json").stdout)
        return [(each["state"], each["said"]) for each in found if each["subject"] == "read copy"]

    ((state, said),) = findings()
    assert state == "ok"
    assert said.startswith(f"{copy} is of 20")
    copy.unlink()
    assert findings() == [("ok", f"{copy} does not exist yet; the next run makes it.")]
    copy.parent.rmdir()
    assert findings() == [("warning", f"A run cannot write to {copy.parent}, so it cannot renew {copy}.")]


@pytest.mark.parametrize("as_a_link", [False, True])
def test_the_pending_table_is_never_replaced(night, configure, tmp_path, as_a_link):
    pending = tmp_path / "pending.sqlite"
    name = pending
    if as_a_link:
        name = tmp_path / "link"
        os.link(pending, name)
    configure(warehouse__read_copy=name)
    night.enqueue(*task_ids(1))
    result = night.run("run", "--log-format", "json")
    assert (result.exit_code, failures(result)) == (0, [f"{name} is a database of the job"])
    assert set(night.states().values()) == {"done"}


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"url": "postgresql://u@h/d", "read_copy": "copy"}, "read_copy: only if the warehouse is a file"),
        ({"url": "sqlite:///file:w?mode=rw&uri=true", "read_copy": "copy"}, "only if the warehouse is a file"),
        ({"url": "duckdb:///w.duckdb", "read_copy": "./w.duckdb"}, "is the file of the warehouse itself"),
        ({"read_copy": "."}, "warehouse.read_copy (from TASK_AUDIT_WAREHOUSE__READ_COPY): names a folder, not a file"),
        ({"read_copy": ""}, "names a folder, not a file"),
    ],
)
def test_a_copy_that_cannot_be_is_a_wrong_setting(task_audit, configure, settings, complaint):
    configure(**{f"warehouse__{name}": value for name, value in settings.items()})
    result = task_audit("status")
    assert result.exit_code == 78
    assert complaint in reported_error(result)

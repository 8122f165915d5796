"""Faults of the machine: a full disk, read-only files, a locked file, a task that kills its runs, and process 1."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest
from pydantic import SecretStr

from tests.crash.test_servers import ended, wait_for_requests
from tests.nights import FINISHED

BLOCK = 1 << 20


def embedded(tmp_path, warehouse):
    return SecretStr(f"sqlite:///{tmp_path}/pending.sqlite"), SecretStr(f"{warehouse}:///{tmp_path}/w.{warehouse}")


@pytest.mark.parametrize(("names", "most"), [("sqlite+sqlite", BLOCK), ("postgresql+duckdb", BLOCK // 4)])
def test_a_full_disk_ends_the_run_and_the_next_one_completes(ledger_of, tmp_path, two_places, names, most):
    places, warehouse = two_places(names), names.partition("+")[2]
    with ledger_of(places, tasks=3_000, run__batch_size=500) as ledger:
        # No file of this process may grow beyond the limit, which fails as a full disk does.
        with ledger.run(file_size=most) as process:
            code, stderr = ended(process)
        assert code == 69, stderr
        assert "Traceback" not in stderr
        ledger.audit_killed()
        assert is_intact(tmp_path / f"warehouse.{warehouse}")
        ledger.finish()


def is_intact(file):
    if file.suffix == ".duckdb":
        with duckdb.connect(str(file), read_only=True) as connection:
            return connection.execute("SELECT COUNT(*) FROM fact_task_status").fetchone()[0] >= 0
    connection = sqlite3.connect(file)
    (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    return verdict == "ok"


@pytest.mark.parametrize("warehouse", ["sqlite", "duckdb"])
def test_a_file_that_another_process_holds_is_waited_for(ledger_of, tmp_path, warehouse):
    with ledger_of(embedded(tmp_path, warehouse), tasks=100) as ledger:
        with holding(tmp_path / f"w.{warehouse}") as holder, ledger.run() as process:
            time.sleep(2)  # another process is at work, on its own clock
            assert process.poll() is None
            holder.kill()
            holder.wait()
            code, stderr = ended(process)
        assert code == 65, stderr
        ledger.finish()


@pytest.mark.parametrize("warehouse", ["sqlite", "duckdb"])
def test_a_process_that_holds_a_file_for_too_long_is_named(ledger_of, tmp_path, warehouse, monkeypatch):
    with ledger_of(embedded(tmp_path, warehouse), tasks=10) as ledger:
        with holding(tmp_path / f"w.{warehouse}") as holder, monkeypatch.context() as impatient:
            impatient.setattr(f"etl.database.engines.{warehouse}.LOCK_WAIT_SECONDS", 0.5)
            refused = ledger.night.run("run")
            assert refused.exit_code == 75
            assert str(holder.pid) in refused.stderr
        ledger.finish()


class holding:  # noqa: N801 - a context manager
    """Another process that locks a database file."""

    def __init__(self, file):
        opening = "duckdb.connect(sys.argv[1])"
        if file.suffix == ".sqlite":
            opening = "sqlite3.connect(sys.argv[1], isolation_level=None); held.execute('BEGIN EXCLUSIVE')"
        self._command = f"import sys, time, duckdb, sqlite3; held = {opening}; print(1, flush=True); time.sleep(600)"
        self._file = file

    def __enter__(self):
        self._process = subprocess.Popen([sys.executable, "-c", self._command, self._file], stdout=subprocess.PIPE)
        self._process.stdout.readline()
        return self._process

    def __exit__(self, *_error):
        self._process.kill()
        self._process.communicate()


@pytest.mark.parametrize("warehouse", ["sqlite", "duckdb"])
def test_a_read_only_warehouse_ends_the_run_with_69(ledger_of, tmp_path, warehouse):
    with ledger_of(embedded(tmp_path, warehouse), tasks=10) as ledger:
        file = tmp_path / f"w.{warehouse}"
        file.chmod(0o400)
        # Root may write to any file, but not in a user namespace without root.
        with ledger.run_behind(*(["unshare", "--user"] if os.geteuid() == 0 else [])) as process:
            code, stderr = ended(process)
        assert code == 69, stderr
        assert "Traceback" not in stderr
        file.chmod(0o600)
        ledger.finish()


def test_a_task_that_kills_its_runs_becomes_the_only_dead_letter(ledger_of, tmp_path):
    with ledger_of(embedded(tmp_path, "sqlite"), tasks=120, run__dead_letter_after=3, run__batch_size=30) as ledger:
        poison = ledger.ids[61]
        deaths = 0
        while True:
            with ledger.run(crash_at=f"asking@{poison}") as process:
                code, stderr = ended(process)
            if code != -signal.SIGKILL:
                break
            deaths += 1
            ledger.audit_killed()
        assert (code, deaths) == (65, 3), stderr
        assert ledger.night.rows(f"SELECT reason FROM dead_letter WHERE task_id = '{poison}'") == [("exhausted",)]
        assert ledger.night.facts() == {task: fact for task, fact in ledger.truth.items() if task != poison}
        assert ledger.night.api.stats.asks[poison] == 0


UNSHARE = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"]


def test_process_1_stops_cleanly(ledger_of, tmp_path):
    settings = {"api__max_rate": 100, "run__batch_size": 1_000}
    with ledger_of(embedded(tmp_path, "sqlite"), tasks=2_000, **settings) as ledger:
        with ledger.run_behind(*UNSHARE) as process:
            wait_for_requests(ledger, 50, process)
            (first,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            os.kill(int(first), signal.SIGTERM)
            begun = time.monotonic()
            code, stderr = ended(process)
        assert code == 75, stderr
        assert time.monotonic() - begun < 10
        assert len(ledger.night.facts()) + len(ledger.unknown & ledger.night.api.stats.asks.keys()) >= (
            ledger.night.api.stats.requests - 8
        )
        ledger.audit()
        assert ledger.night.rows("SELECT COUNT(*) FROM pending_task WHERE lease_owner IS NOT NULL", "source") == [(0,)]


def test_a_signal_in_the_middle_of_a_load_loses_nothing(ledger_of, tmp_path):
    """The load waits for a lock that another process holds when the signal comes."""
    with ledger_of(embedded(tmp_path, "sqlite"), tasks=400, run__batch_size=100) as ledger:
        with ledger.run() as process:
            wait_for_requests(ledger, 50, process)
            with holding(tmp_path / "w.sqlite"):
                wait_for_requests(ledger, 150, process)
                process.send_signal(signal.SIGTERM)
                time.sleep(1)  # another process is at work, on its own clock
            code, stderr = ended(process)
        assert code == 75, stderr
        answered = sum(ledger.night.api.stats.by_status[status] for status in (200, 404))
        assert len(ledger.night.facts()) + len(ledger.night.rows("SELECT * FROM dead_letter")) >= answered
        ledger.runs += 1
        ledger.finish()


def test_two_runs_at_once_share_the_work_and_each_reports_its_own_part(ledger_of, tmp_path):
    places = (SecretStr(f"sqlite:///{tmp_path}/all.sqlite"),) * 2
    with ledger_of(places, tasks=1_500) as ledger:
        with ledger.run() as one, ledger.run() as other:
            codes = [ended(process)[0] for process in (one, other)]
        assert sorted(codes) in ([0, 65], [65, 65])
        runs = ledger.night.rows("SELECT claimed, audited, dead_lettered, requests FROM audit_run")
        assert len(runs) == 2
        assert min(claimed for claimed, *_ in runs) > 0
        # The later run asks again about the task that was open by then, and about no other.
        assert sum(claimed for claimed, *_ in runs) == ledger.night.api.stats.requests + 1
        assert sum(requests for *_, requests in runs) == ledger.night.api.stats.requests
        finished = [task_id for task_id, (status, _) in ledger.truth.items() if status in FINISHED]
        assert {ledger.night.api.stats.asks[task_id] for task_id in finished} == {1}
        ledger.finish()

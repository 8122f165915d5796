"""`enqueue --file -` from a pipe that stays open: it holds no transaction, and a refused line adds nothing."""

import array
import fcntl
import subprocess
import sys
import termios
import time
from contextlib import contextmanager

import pytest

from tests.conftest import each_engine
from tests.nights import task_ids

pytestmark = pytest.mark.slow

IDS = task_ids(12_000)
"""More than two transactions add."""


@contextmanager
def enqueuing(ids):
    """Start the command, and wait until it has read these IDs from its pipe, which stays open."""
    with subprocess.Popen(
        [sys.executable, "-m", "etl", "enqueue", "--file", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            process.stdin.write("".join(f"{task_id}\n" for task_id in ids))
            process.stdin.flush()
            unread = array.array("i", [1])
            while unread[0]:
                fcntl.ioctl(process.stdin, termios.FIONREAD, unread)
                assert process.poll() is None
                time.sleep(0.02)  # another process is at work, on its own clock
            yield process
        finally:
            process.kill()


@each_engine
def test_a_slow_pipe_holds_no_transaction(night_of, databases):
    with night_of(None, *databases) as night:
        with enqueuing(IDS) as process:
            if "postgresql" in databases[0].get_secret_value():
                assert night.rows(
                    "SELECT COUNT(*) FROM pg_stat_activity WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid()",
                    "source",
                ) == [(0,)]
            # The pipe has this ID, too: a transaction that had added it would keep the other program waiting.
            night.change(f"INSERT INTO pending_task (task_id) VALUES ('{IDS[0]}')")
            assert night.rows("SELECT COUNT(*) FROM pending_task", "source") == [(1,)]
            stdout, stderr = process.communicate(f"{IDS[-1]}\n", timeout=60)
        assert (process.returncode, stdout) == (0, "11,999 new, 1 already there, 1 repeated in the input.\n"), stderr
        assert set(night.states()) == set(IDS)


@pytest.mark.parametrize("databases", ["one sqlite", "one postgresql"], indirect=True)
def test_a_line_that_is_refused_at_the_end_of_a_slow_pipe_adds_nothing(night_of, databases):
    with night_of(None, *databases) as night:
        with enqueuing(IDS) as process:
            _, stderr = process.communicate("\N{NULL}\n", timeout=60)
        assert process.returncode == 2, stderr
        assert "Standard input, line 12001" in stderr
        assert night.states() == {}


def test_a_folder_for_temporary_files_that_is_full_adds_nothing(night_of, tmp_path, monkeypatch):
    (tmp_path / "ids.txt").write_text("\n".join(task_ids(60_000)), encoding="utf-8")
    (tmp_path / "temporary").mkdir()
    with night_of() as night:
        monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
        process = night.start("enqueue", "--file", str(tmp_path / "ids.txt"), file_size=1_200_000)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 69
        assert "disk-full" in stderr
        assert str(tmp_path / "temporary") in stderr
        assert night.states() == {}

"""Copies a PostgreSQL server of the tests, and runs the copy as its hot standby."""

import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest

MAX_END_SECONDS = 60  # A loaded machine needs some seconds.


def kill_server(pid):
    """End a server as kill -9 does; its child processes notice, and end, before it can be started again."""
    process = psutil.Process(pid)
    # A server that cannot go on starts no child that is not in the list.
    process.suspend()
    processes = [process, *process.children(recursive=True)]
    process.kill()
    _, alive = psutil.wait_procs(processes, timeout=MAX_END_SECONDS)
    assert not alive


class Standby:
    """A hot standby, which becomes a server of its own when it is promoted."""

    def __init__(self, programs, user, *, folder, primary):
        with psycopg.connect(primary) as connection:
            self._primary, self.port = connection.info.host, connection.info.port
        self._programs = programs
        self._user = user
        self._data = folder / "data"
        self._pid_file = self._data / "postmaster.pid"
        self._log = folder / "log"
        self.host = str(folder)
        self.url = primary.replace(self._primary, self.host)

    def start(self):
        copied = ["-h", self._primary, "-p", str(self.port), "-U", "postgres", "-D", self._data]
        self._run("pg_basebackup", *copied, "-R", "-X", "stream", "-c", "fast")
        options = f"-c listen_addresses='' -c unix_socket_directories={self.host} -c port={self.port}"
        self._control("-o", options, "-l", self._log, "start")

    def promote(self):
        self._control("promote")

    def kill(self):
        kill_server(int(self._pid_file.read_text(encoding="ascii").split()[0]))
        self._pid_file.unlink()

    def stop(self):
        """End the server if it runs; its folder is deleted, so it need not shut down cleanly."""
        if self._pid_file.exists():
            self._control("-m", "immediate", "stop")

    def _control(self, *arguments):
        self._run("pg_ctl", "-D", self._data, "-w", *arguments)

    def _run(self, program, *arguments):
        command = [self._programs / program, *arguments]
        subprocess.run(command, user=self._user, stdout=subprocess.DEVNULL, check=True)

    def wait_for_replay(self, primary):
        with psycopg.connect(primary, autocommit=True) as connection:
            position = connection.execute("SELECT pg_current_wal_lsn()").fetchone()[0]
        with psycopg.connect(self.url, autocommit=True) as connection:
            for _ in range(500):
                if connection.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [position]).fetchone()[0]:
                    return
                time.sleep(0.02)  # another process is at work, on its own clock
        pytest.fail("the standby does not follow")


@contextmanager
def following(server, primary, *, folder):
    """Run a hot standby of the server of a URL in an empty folder, with the programs of a server of the tests."""
    folder = Path(folder)
    (folder / "data").mkdir(mode=0o700)
    if server.system_user:
        for path in (folder, folder / "data"):
            shutil.chown(path, server.system_user)
    copy = Standby(server.bin_path, server.system_user, folder=folder, primary=primary)
    try:
        copy.start()
        copy.wait_for_replay(primary)
        yield copy
    finally:
        copy.stop()

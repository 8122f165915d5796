"""The program in processes of its own, which can be killed, stopped and waited for as any other.

Each is forked from one that has imported everything and done nothing: the imports of a start take longer than most of
what is tried here. That the program also starts without such help is for the tests of the wheel and of the image.
"""

import importlib
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload(
    [
        "etl.cli.init",
        "etl.cli.status",
        "etl.cli.run",
        "duckdb_sqlalchemy",
        "psycopg",
        "pymysql",
        "rich.console",
        "tests.processes",
    ]
)


PEAK_KIB = "int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
"""Code that gives the peak memory of its process; ``ru_maxrss`` begins with that of the process that started it."""


class Program:
    """One that runs, with what is needed here of ``subprocess.Popen``."""

    def __init__(self, process, printed):
        self._process = process
        self._printed = printed
        self.pid = process.pid

    @property
    def returncode(self):
        return self._process.exitcode

    def poll(self):
        return self._process.exitcode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout=None):
        self._process.join(timeout)
        if self.poll() is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout, *self.printed())
        return self.returncode

    def printed(self):
        """What it has written to stdout and stderr until now."""
        return tuple(file.read_text(encoding="utf-8") if file.exists() else "" for file in self._printed)

    def wait_for(self, said):
        """Wait until it has written this to stdout or stderr."""
        ended = False
        while said not in "".join(self.printed()):
            assert not ended, self.printed()
            ended = self.poll() is not None
            time.sleep(0.02)  # another process is at work, on its own clock

    def communicate(self, timeout=None):
        self.wait(timeout)
        return self.printed()


def start(arguments, *, folder, environment=None, file_size=None, statements=None):
    """Start ``task-audit`` with these arguments, in the environment of the moment or another.

    It prints into a folder. No file that it writes may grow beyond a size, and it dies after so many statements.
    """
    printed = [Path(folder) / f"{uuid4().hex}.{stream}" for stream in ("stdout", "stderr")]
    process = _FORKING.Process(
        name=" ".join(arguments),
        target=_become,
        args=(arguments, dict(os.environ if environment is None else environment), Path.cwd(), printed),
        kwargs={"file_size": file_size, "statements": statements},
        daemon=True,
    )
    process.start()
    return Program(process, printed)


def _become(arguments, environment, folder, printed, *, file_size, statements):
    for number, file in enumerate(printed, start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    # The only module that reads the environment as it is imported.
    importlib.reload(importlib.import_module("etl.crash_points"))
    if file_size is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
    if statements is not None:
        _die_after(statements)
    sys.argv = ["task-audit", *arguments]
    importlib.import_module("etl.__main__").main()


def _die_after(statements):
    from sqlalchemy import Engine, event

    written = 0

    def count(*_):
        nonlocal written
        written += 1
        if written > statements:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "after_cursor_execute", count)

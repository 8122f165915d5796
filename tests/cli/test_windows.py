"""Every command can be imported without what Windows lacks. The program is not run on Windows itself."""

import json
import subprocess
import sys

PROGRAM = '''
import os, pkgutil, signal, sys
import importlib

# Other packages have their own code for Windows; this is about ours.
for name in ("aiohttp", "asyncio", "duckdb_sqlalchemy", "multiprocessing", "polars", "rich.console"):
    importlib.import_module(name)
for name in ("fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"):
    sys.modules[name] = None
LACKING = """
    O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK chown fchmod fchown fork forkpty getegid geteuid getgid getloadavg
    getuid killpg mkfifo posix_spawn register_at_fork sched_getaffinity setsid sysconf uname wait4
"""
for name in LACKING.split():
    delattr(os, name)
for name in [name for name in dir(signal) if name.startswith("SIG") and name[3].isalpha()]:
    if name not in {"SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM"}:
        delattr(signal, name)

import etl.cli
for each in pkgutil.iter_modules(etl.cli.__path__):
    importlib.import_module(f"etl.cli.{each.name}")
from etl.__main__ import main
main()
'''


def test_status_and_the_import_of_each_command_need_nothing_that_windows_lacks(task_audit, configure, tmp_path):
    configure(source__url=f"sqlite:///{tmp_path}/a.sqlite", warehouse__url=f"duckdb:///{tmp_path}/b.duckdb")
    assert task_audit("init").exit_code == 0
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "status", "--json"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["runs"] == []

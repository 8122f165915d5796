"""Starts a real part of a network in a folder of its own, on a free port, and stops it by its process."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest

DISK = "/var/tmp"  # noqa: S108 - each folder in it has a name of its own
MAX_INSTALL_SECONDS = 120
MAX_START_SECONDS = 30  # A loaded machine needs a few seconds.


def program(name):
    """Return the path of an installed program, or skip the test."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    return shutil.which(name, path=path) or pytest.skip(f"{name} is not installed")


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def run_as(user):
    """Return the beginning of a command that gives up the rights of root for those of a user."""
    if os.geteuid() != 0:
        return []
    return [program("setpriv"), f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups"]


@contextmanager
def folder_for(user):
    """Make a folder that a service may use, which gives up the rights of root for those of this user."""
    folder = Path(tempfile.mkdtemp(prefix="field-"))
    try:
        if os.geteuid() == 0:
            entry = pwd.getpwnam(user)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def running(command, *, port, log, user=None):
    """Run a program until the block ends, once it listens on its port; perhaps as another user."""
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, user=user)
        try:
            _wait(process, port, log)
            yield process
        finally:
            process.terminate()
            process.wait()


@contextmanager
def environment_with(*packages, until):
    """Make an environment with packages and their wheels up to a date; yields its Python, or skips the test."""
    uv = [sys.executable, "-m", "uv", "--quiet"]
    # It is too large for the memory that holds the other folders.
    with tempfile.TemporaryDirectory(prefix="field-", dir=DISK) as folder:
        python = f"{folder}/bin/python"
        install = ["pip", "install", "--python", python, "--only-binary", ":all:", "--exclude-newer", until, *packages]
        try:
            for command in (["venv", "--python", sys.executable, folder], install):
                subprocess.run([*uv, *command], check=True, capture_output=True, timeout=MAX_INSTALL_SECONDS)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            pytest.skip(f"{', '.join(packages)} cannot be installed here")
        yield python


def eventually(ask):
    """Ask until the answer is true, since other programs work on their own clock; return the last answer."""
    started_at = time.monotonic()
    while not (answer := ask()) and time.monotonic() - started_at < MAX_START_SECONDS:
        time.sleep(0.05)
    return answer


def read(url):
    """Return the text at an address of this machine."""
    with build_opener(ProxyHandler({})).open(url, timeout=MAX_START_SECONDS) as response:
        return response.read().decode()


def _wait(process, port, log):
    started_at = time.monotonic()
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() - started_at > MAX_START_SECONDS:
            raise RuntimeError(f"{process.args[0]} did not start:\n{log.read_text(encoding='utf-8')[-2000:]}")
        time.sleep(0.02)  # Another program starts, on its own clock.

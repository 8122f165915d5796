"""The command that prints a token cannot hold up the job, fill its memory or read its other secrets."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from etl.error_codes import Code
from etl.errors import CredentialsRefusedError, StoppedError
from etl.koodrive import token_command
from etl.koodrive.token_command import MAX_OUTPUT_BYTES, TokenCommand
from etl.settings.model import ApiSettings
from etl.shutdown import Shutdown
from tests.nights import task_ids

ENOUGH_SECONDS = 10
"""Far less than the commands here would sleep."""


def shell(script, *arguments):
    return "/bin/sh", "-c", script, "sh", *map(str, arguments)


def output_of(words, *, variables=(), shutdown=None):
    """Run a command; returns what it printed."""

    async def running():
        return await TokenCommand(words=words, variables=variables, shutdown=shutdown or Shutdown()).output()

    began = time.monotonic()
    try:
        return asyncio.run(running())
    finally:
        assert time.monotonic() - began < ENOUGH_SECONDS


def is_running(file):
    """Say whether the process whose ID a file holds is running; a zombie is not."""
    try:
        return Path(f"/proc/{file.read_text().strip()}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def require_end(file):
    deadline = time.monotonic() + ENOUGH_SECONDS
    while is_running(file):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wait_for_line(file):
    deadline = time.monotonic() + ENOUGH_SECONDS
    while not (file.exists() and file.read_text().endswith("\n")):
        assert time.monotonic() < deadline
        time.sleep(0.01)


CHILD = 'sleep 600 & echo $! > "$1"; wait; echo t0ken'


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path, monkeypatch):
    monkeypatch.setattr(token_command, "COMMAND_SECONDS", 0.3)
    with pytest.raises(CredentialsRefusedError, match="takes longer than"):
        output_of(shell(CHILD, tmp_path / "child"))
    require_end(tmp_path / "child")


def test_the_end_of_a_run_ends_the_command_with_its_children(tmp_path):
    reason = StoppedError("The time is up.", code=Code.STOPPED_BY_TIME, remedy="Run again.")

    async def running():
        shutdown = Shutdown()
        words = shell(CHILD, tmp_path / "child")
        command = asyncio.ensure_future(TokenCommand(words=words, variables=(), shutdown=shutdown).output())
        await asyncio.to_thread(wait_for_line, tmp_path / "child")
        shutdown.request(reason)
        await command

    with pytest.raises(StoppedError, match="The time is up") as raised:
        asyncio.run(running())
    assert raised.value is reason
    require_end(tmp_path / "child")


def test_a_helper_may_leave_an_agent_behind(tmp_path):
    """The agent keeps the stdout of the helper open, and goes on after it."""
    assert output_of(shell('sleep 600 & echo $! > "$1"; echo t0ken', tmp_path / "agent")) == "t0ken\n"
    assert is_running(tmp_path / "agent")
    os.kill(int((tmp_path / "agent").read_text()), signal.SIGKILL)


def test_a_command_gets_only_the_named_variables(monkeypatch):
    monkeypatch.setenv("VAULT_ADDR", "https://vault.example")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "CANARY")
    monkeypatch.setenv("TASK_AUDIT_SOURCE__URL", "CANARY")
    passed = output_of(("env",), variables=("VAULT_ADDR", "NOT_SET")).splitlines()
    assert {line.partition("=")[0] for line in passed} == {"HOME", "PATH", "VAULT_ADDR"}


def test_a_command_may_print_64_kib():
    script = 'head -c "$1" /dev/zero | tr "\\0" t'
    assert output_of(shell(script, MAX_OUTPUT_BYTES)) == "t" * MAX_OUTPUT_BYTES
    with pytest.raises(CredentialsRefusedError, match="prints more than 64 KiB"):
        output_of(shell(script, MAX_OUTPUT_BYTES + 1))


def test_a_command_without_end_is_killed_with_its_children(tmp_path):
    with pytest.raises(CredentialsRefusedError, match="prints more than 64 KiB"):
        output_of(shell('yes & echo $! > "$1"; wait', tmp_path / "child"))
    require_end(tmp_path / "child")


def test_a_word_with_a_null_byte_cannot_be_run():
    with pytest.raises(CredentialsRefusedError, match="cannot be run: embedded null byte"):
        output_of(("true", "\0"))


@pytest.mark.parametrize("name", ["", "VAULT_TOKEN=CANARY", "A\nB"])
def test_a_variable_is_named_without_a_value(name):
    with pytest.raises(ValueError, match="is not the name of an environment variable") as raised:
        ApiSettings(token_command=("true",), token_command_environment=(name,))
    assert "CANARY" not in str(raised.value)


def test_the_deadline_of_a_run_bounds_the_command(night_of, configure, monkeypatch):
    with night_of() as night:
        monkeypatch.delenv("TASK_AUDIT_API__TOKEN")
        configure(api__token_command='["/bin/sh", "-c", "sleep 600; echo t0ken"]')
        night.enqueue(*task_ids(1))
        began = time.monotonic()
        ended = night.run("run", "--max-duration", "1s")
        assert time.monotonic() - began < ENOUGH_SECONDS
        assert (ended.exit_code, set(night.states().values())) == (75, {"pending"})
        assert "stopped-by-time" in ended.stderr

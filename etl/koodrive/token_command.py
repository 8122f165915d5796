"""Runs the command that prints an access token, within limits on its time, its output and its environment.

The command has a session and a process group of its own, so that its children end with it. The job reads the output
from a pipe and does not wait until the pipe is closed: a helper may leave an agent behind that inherits its stdout.
"""

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from etl.error_codes import Code
from etl.errors import CredentialsRefusedError
from etl.shutdown import Shutdown

COMMAND_SECONDS = 30.0
"""A vault answers within seconds; a command that hangs must not stop the run for good."""

MAX_OUTPUT_BYTES = 64 * 1024
"""A token has at most some kilobytes."""

ALWAYS_PASSED = ("HOME", "PATH")
"""The variables that every command gets; other variables of the job may hold secrets that are not the command's."""

REMEDY = (
    "Run the command by hand to see why. It gets PATH, HOME and the variables that api.token_command_environment names."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCommand:
    """A command that prints a token."""

    words: tuple[str, ...]
    """The program and its arguments."""
    variables: tuple[str, ...]
    """The names of the environment variables that the command gets in addition to ``ALWAYS_PASSED``."""
    shutdown: Shutdown
    """Ends the command early."""

    async def output(self) -> str:
        """Run the command; returns what it prints to stdout.

        Raises:
            CredentialsRefusedError: the command cannot be run, fails, takes too long or prints too much.
            TaskAuditError: the reason of a shutdown that is requested before the command ends.
        """
        with _pipe() as (reading, writing):
            try:
                process = await self._start(stdout=writing)
            finally:
                os.close(writing)
            output = BoundedOutput(reading)
            try:
                await self._wait_for_end(process, output)
            finally:
                await _kill_unless_ended(process)
            output.read_available()
        if output.is_too_long.is_set():
            raise _failed(f"prints more than {MAX_OUTPUT_BYTES // 1024} KiB")
        if process.returncode:
            raise _failed(f"ended with {process.returncode}")
        return output.received.decode("ascii", errors="replace")

    async def _start(self, *, stdout: int) -> Process:
        passed = {name: os.environ[name] for name in (*ALWAYS_PASSED, *self.variables) if name in os.environ}
        try:
            return await asyncio.create_subprocess_exec(
                *self.words, stdin=DEVNULL, stdout=stdout, stderr=DEVNULL, env=passed, start_new_session=True
            )
        except OSError as error:
            raise _failed(f"cannot be run: {error.strerror}") from None
        except ValueError as error:
            # A word contains a null byte.
            raise _failed(f"cannot be run: {error}") from None

    async def _wait_for_end(self, process: Process, output: "BoundedOutput") -> None:
        """Wait until the command has ended or has printed too much."""
        ends = [asyncio.ensure_future(end) for end in (process.wait(), output.is_too_long.wait(), self.shutdown.wait())]
        with output.listening():
            try:
                ended, _ = await asyncio.wait(ends, timeout=COMMAND_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for end in ends:
                    end.cancel()
        if not ended:
            raise _failed(f"takes longer than {COMMAND_SECONDS:.0f} s")
        for end in ended:
            end.result()
        if ended == {ends[-1]} and self.shutdown.reason is not None:
            raise self.shutdown.reason


class BoundedOutput:
    """What a command has printed, up to a limit."""

    def __init__(self, pipe: int) -> None:
        """Read from the descriptor of a pipe, which must not block."""
        self._pipe = pipe
        self.received = b""
        self.is_too_long = asyncio.Event()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Read whenever the command prints."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._pipe, self.read_available)
        try:
            yield
        finally:
            loop.remove_reader(self._pipe)

    def read_available(self) -> None:
        """Read what the pipe holds; stop listening at its end and beyond the limit."""
        with suppress(BlockingIOError):
            while part := os.read(self._pipe, MAX_OUTPUT_BYTES + 1 - len(self.received)):
                self.received += part
                if len(self.received) > MAX_OUTPUT_BYTES:
                    self.is_too_long.set()
                    break
            asyncio.get_running_loop().remove_reader(self._pipe)


@contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    """Open a pipe whose reading end does not block; the caller closes the writing end."""
    reading, writing = os.pipe()
    try:
        os.set_blocking(reading, False)
        yield reading, writing
    finally:
        os.close(reading)


async def _kill_unless_ended(process: Process) -> None:
    """Kill the command with its children. If it has ended, what it left behind goes on."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _failed(problem: str) -> CredentialsRefusedError:
    return CredentialsRefusedError(f"api.token_command {problem}.", code=Code.TOKEN_NOT_RENEWED, remedy=REMEDY)

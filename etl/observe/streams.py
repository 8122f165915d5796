"""The program's standard streams: stderr loses lines rather than a run, and stdout fails with an error that has a name.

Files and pipes get stdout in UTF-8, whatever the locale is. A terminal gets it in its own encoding, with a question
mark for each character that the encoding lacks.

A run does not need its log. A line that a full disk or a dead reader does not take is dropped and counted, whichever
library writes it: the log, the progress bar, the summary or a traceback.
"""

import io
import os
import sys
from typing import TextIO

from etl.error_codes import Code
from etl.errors import OutputError

STDOUT, STDERR = 1, 2
FIRST_OTHER = 3
"""The first descriptor that is not a standard stream."""


class Output(io.RawIOBase):
    """Writes to a descriptor."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def writable(self) -> bool:
        """Return True: this stream can be written to."""
        return True

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Return whether a terminal shows what is written."""
        return os.isatty(self._descriptor)


class StrictOutput(Output):
    """Raises an error with a name at the first write that fails, and ignores all later writes."""

    _has_failed = False

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        """Write bytes.

        Raises:
            OutputError: the descriptor does not take them.
        """
        if self._has_failed:
            # Python flushes the rest at its end, and would replace the exit code by 120 if that failed.
            return len(data)
        try:
            return os.write(self._descriptor, data)
        except OSError as error:
            self._has_failed = True
            raise OutputError(
                f"Stdout cannot be written: {error.strerror}. The command itself has done its work.",
                code=Code.OUTPUT_UNWRITABLE,
                remedy="Free some space, or send stdout to another place, and run the command again.",
            ) from error


class LossyOutput(Output):
    """Counts the lines that the descriptor does not take, and raises nothing."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self._is_within_a_line = False
        self.lines_lost = 0
        self.is_lossy = False
        """Whether the last write failed."""

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        """Write bytes or drop them; raises nothing."""
        rest = bytes(data)
        try:
            if self.is_lossy and self._is_within_a_line:
                # Stderr took the beginning of a line and not its end. The next line begins on its own.
                self._is_within_a_line = not os.write(self._descriptor, b"\n")
            while rest:
                written = os.write(self._descriptor, rest)
                self._is_within_a_line = not rest[:written].endswith(b"\n")
                rest = rest[written:]
            self.is_lossy = False
        except OSError:
            self.is_lossy = True
            self.lines_lost += rest.count(b"\n")
        return len(data)


_stderr: LossyOutput | None = None


def protect_streams() -> None:
    """Make stderr lose lines instead of raising errors, and stdout raise errors with a name."""
    global _stderr  # noqa: PLW0603 - a process has one stderr
    _open_standard_streams()
    _stderr = LossyOutput(STDERR)
    sys.stderr = _text(_stderr, _encoding_of(sys.stderr), errors="backslashreplace", by_line=True)
    output = StrictOutput(STDOUT)
    if output.isatty():
        sys.stdout = _text(output, _encoding_of(sys.stdout), errors="replace", by_line=True)
    else:
        # Only the name of a file can hold a surrogate, which UTF-8 lacks.
        sys.stdout = _text(output, "utf-8", errors="backslashreplace", by_line=False)


def _encoding_of(stream: TextIO | None) -> str:
    return stream.encoding if stream else "utf-8"


def _text(output: Output, encoding: str, *, errors: str, by_line: bool) -> TextIO:
    return io.TextIOWrapper(io.BufferedWriter(output), encoding=encoding, errors=errors, line_buffering=by_line)


def lines_lost() -> int:
    """Count the lines that stderr has not taken."""
    return _stderr.lines_lost if _stderr else 0


def loses_lines() -> bool:
    """Return whether stderr did not take the last line."""
    return _stderr is not None and _stderr.is_lossy


def _open_standard_streams() -> None:
    """Open a stream that the caller has closed, so that no database or socket gets its descriptor."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) < FIRST_OTHER:
        os.set_inheritable(descriptor, True)  # noqa: FBT003 - its signature
        if descriptor == STDOUT:
            sys.stdout = open(descriptor, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - it stays open
    os.close(descriptor)

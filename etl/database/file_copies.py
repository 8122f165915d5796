"""Copies a database file for readers, so that they never keep the program's own file open.

A copy appears as a whole or not at all. Who has the previous copy open goes on reading that one.
"""

import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from pydantic import SecretStr

from etl.database.engines import engine_of
from etl.database.engines.files import FileEngine
from etl.database.url import file_of, parse_database_url

READ_BITS, GROUP_BITS = 0o444, 0o070
"""A copy is for reading only: a program that wrote to it would leave a log that the next copy could not use."""

ONLY_OWNER = 0o400

MAX_LEFTOVER_SECONDS = 3600
"""The age of an unfinished copy that no process writes to any more, since one that does changes it all the time."""


def replace_copy(url: SecretStr, copy: Path) -> int:
    """Replace a copy of a database file by one of this moment; returns its size in bytes.

    The new copy has the permissions and the group of the previous one, without the right to write. A first one is for
    its owner only.

    Args:
        url: the URL of the database, a file that this process has not opened.
        copy: the file that readers open.

    Raises:
        OSError: the copy cannot be written.
        ValueError: the database is no file.
        Exception: an error of the driver, for example since another program writes to the database.
    """
    parsed = parse_database_url(url)
    kind, file = engine_of(parsed), file_of(parsed)
    if file is None or not isinstance(kind, FileEngine):
        raise ValueError(f"a database of {kind.name} at such an address is no file")
    _remove_leftovers(copy)
    with _unfinished(copy) as unfinished, kind.copying(file, unfinished):
        _finish(unfinished, copy)
        for suffix in kind.log_suffixes:
            # A log that a reader with the right to write has left would change the next copy.
            copy.with_name(copy.name + suffix).unlink(missing_ok=True)
        unfinished.replace(copy)
    _synchronize(copy.parent)
    return copy.stat().st_size


@contextmanager
def _unfinished(copy: Path) -> Iterator[Path]:
    descriptor, name = tempfile.mkstemp(prefix=f".{copy.name}.", suffix=".unfinished", dir=copy.parent)
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _remove_leftovers(copy: Path) -> None:
    """Remove what a killed process has left."""
    for leftover in copy.parent.glob(f".{escape(copy.name)}.*.unfinished*"):
        with suppress(FileNotFoundError):
            if time.time() - leftover.stat().st_mtime > MAX_LEFTOVER_SECONDS:
                leftover.unlink()


def _finish(unfinished: Path, copy: Path) -> None:
    """Give a file the group and the permissions of the copy that it replaces, and let it survive a power failure."""
    mode = ONLY_OWNER
    with suppress(FileNotFoundError):
        previous = copy.lstat()
        if stat.S_ISREG(previous.st_mode):
            mode = previous.st_mode & READ_BITS
            try:
                os.chown(unfinished, -1, previous.st_gid)
            except PermissionError:
                # The group of this process must not read what another group was allowed to.
                mode &= ~GROUP_BITS
    _synchronize(unfinished)
    unfinished.chmod(mode)


def _synchronize(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

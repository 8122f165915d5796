"""The files of an archive in a folder, which only the job's user may read.

Other users may be able to write to the folder. The job therefore follows no link in it, neither of a day nor of a
file, and opens regular files only.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

ONLY_OWNER_FILE, ONLY_OWNER_FOLDER = 0o600, 0o700

OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

IRREGULAR = {errno.EISDIR, errno.ELOOP, errno.ENOTDIR, errno.ENXIO}
"""The errors of opening a folder, a link, a link in place of a folder, and a socket."""


class IrregularFileError(Exception):
    """A file is a link, a pipe or anything else than a regular file."""


class Folder:
    """A folder with one folder for each day, and files in these."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, name: str, write: Callable[[IO[bytes]], object]) -> None:
        """Let ``write`` write a file, which appears as a whole or not at all.

        Args:
            name: the name of a day and of a file: ``2026-11-03/RUN-000001.parquet``.
            write: writes to the open file.

        Raises:
            OSError: the disk is full, the folder is not writable, or a link has the name of the day.
        """
        day, _, file = name.partition("/")
        self._path.mkdir(mode=ONLY_OWNER_FOLDER, parents=True, exist_ok=True)
        with _descriptor(self._path, OPEN_FOLDER) as root:
            with suppress(FileExistsError):
                os.mkdir(day, ONLY_OWNER_FOLDER, dir_fd=root)
            with _descriptor(day, OPEN_FOLDER | os.O_NOFOLLOW, within=root) as folder:
                _write_file(file, write, folder=folder)
                # The name of a new file survives a power failure only after this.
                os.fsync(folder)
            os.fsync(root)

    @contextmanager
    def opened(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file.

        Raises:
            IrregularFileError: it is not a regular file, or a link has the name of its day.
            OSError: it cannot be opened.
        """
        day, _, file = name.partition("/")
        # Without O_NONBLOCK a pipe would wait for a writer.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            with (
                _descriptor(self._path, OPEN_FOLDER) as root,
                _descriptor(day, OPEN_FOLDER | os.O_NOFOLLOW, within=root) as folder,
            ):
                opened = os.fdopen(os.open(file, flags, dir_fd=folder), "rb")
        except OSError as error:
            if error.errno in IRREGULAR:
                raise IrregularFileError from None
            raise
        with opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise IrregularFileError
            yield opened

    def delete(self, name: str) -> None:
        """Delete a file, and the folder of its day if it was the last one; a file that is gone already is no error.

        Raises:
            OSError: the folder is not writable, or a link has the name of the day.
        """
        day, _, file = name.partition("/")
        with _descriptor(self._path, OPEN_FOLDER) as root:
            with suppress(FileNotFoundError), _descriptor(day, OPEN_FOLDER | os.O_NOFOLLOW, within=root) as folder:
                os.unlink(file, dir_fd=folder)
            # It fails as long as the folder has other files.
            with suppress(OSError):
                os.rmdir(day, dir_fd=root)

    def names(self, pattern: str) -> Iterator[str]:
        """Yield the names that match a pattern.

        Raises:
            OSError: there is no such folder.
        """
        if not self._path.is_dir():
            raise FileNotFoundError("there is no such folder")
        for file in self._path.glob(pattern):
            yield file.relative_to(self._path).as_posix()


def _write_file(name: str, write: Callable[[IO[bytes]], object], *, folder: int) -> None:
    unfinished = Path(name).with_suffix(".unfinished").name
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(unfinished, flags, ONLY_OWNER_FILE, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            os.fsync(descriptor)
        os.replace(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        os.unlink(unfinished, dir_fd=folder)
        raise


@contextmanager
def _descriptor(path: str | Path, flags: int, *, within: int | None = None) -> Iterator[int]:
    descriptor = os.open(path, flags, dir_fd=within)
    try:
        yield descriptor
    finally:
        os.close(descriptor)

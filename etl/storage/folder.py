"""The files of a folder, which only the job's user may read.

Other users may be able to write to the folder. The job therefore follows no link below it, neither of a folder nor of a
file, and opens regular files only.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO

from etl.crash_points import crash_point

ONLY_OWNER_FILE, ONLY_OWNER_FOLDER = 0o600, 0o700

OPEN_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
"""Windows has neither flag and opens no folder, so that writing to one fails there; what needs no folder works."""

IRREGULAR = {errno.EISDIR, errno.ELOOP, errno.ENOTDIR, errno.ENXIO}
"""The errors of opening a folder, a link, a link in place of a folder, and a socket."""


class IrregularFileError(Exception):
    """A file is a link, a pipe or anything else than a regular file."""


class Folder:
    """A folder with files in folders of its own: ``2026-11-03/RUN-000001.parquet``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(
        self,
        name: str,
        write: Callable[[IO[bytes]], object],
        *,
        unfinished: str | None = None,
        sync_folders: bool = True,
    ) -> None:
        """Let ``write`` write a file, which appears as a whole or not at all.

        Args:
            name: the name of the file, after those of its folders.
            write: writes to the open file.
            unfinished: the name of the file until it is whole; by default its own, ending in ``.unfinished``. A process
                that was killed leaves the file under it.
            sync_folders: whether the name survives a power failure at once, and not only after ``sync_folders``.

        Raises:
            OSError: the disk is full, the folder is not writable, or a link has the name of a folder.
        """
        path = PurePosixPath(name)
        self._path.mkdir(mode=ONLY_OWNER_FOLDER, parents=True, exist_ok=True)
        with _descriptor(self._path, OPEN_FOLDER) as root, _parent(root, path, create=True) as folder:
            _write_file(path, write, folder=folder, unfinished=unfinished or f"{path.stem}.unfinished")
        if sync_folders:
            self.sync_folders([name])

    def sync_folders(self, names: Iterable[str]) -> None:
        """Let the names of files survive a power failure, each folder once.

        Raises:
            OSError: a folder cannot be synced.
        """
        folders = {parent for name in names for parent in PurePosixPath(name).parents}
        with _descriptor(self._path, OPEN_FOLDER) as root:
            for folder in sorted(folders, reverse=True):
                with _parent(root, folder / "file") as descriptor:
                    os.fsync(descriptor)

    @contextmanager
    def opened(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file.

        Raises:
            IrregularFileError: it is not a regular file, or a link has the name of one of its folders.
            OSError: it cannot be opened.
        """
        path = PurePosixPath(name)
        # Without O_NONBLOCK a pipe would wait for a writer.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            with _descriptor(self._path, OPEN_FOLDER) as root, _parent(root, path) as folder:
                opened = os.fdopen(os.open(path.name, flags, dir_fd=folder), "rb")
        except OSError as error:
            if error.errno in IRREGULAR:
                raise IrregularFileError from None
            raise
        with opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise IrregularFileError
            yield opened

    def delete(self, name: str) -> None:
        """Delete a file, and its folders if it was their last file; a file that is gone already is no error.

        Raises:
            OSError: the folder is not writable, or a link has the name of one of its folders.
        """
        path = PurePosixPath(name)
        with _descriptor(self._path, OPEN_FOLDER) as root:
            with suppress(FileNotFoundError), _parent(root, path) as folder:
                os.unlink(path.name, dir_fd=folder)
            for parent in list(path.parents)[:-1]:
                # It fails as long as the folder has other files.
                with suppress(OSError), _parent(root, parent) as folder:
                    os.rmdir(parent.name, dir_fd=folder)

    def names(self, pattern: str) -> Iterator[str]:
        """Yield the names that match a pattern.

        Raises:
            OSError: there is no such folder.
        """
        if not self._path.is_dir():
            raise FileNotFoundError("there is no such folder")
        for file in self._path.glob(pattern):
            yield file.relative_to(self._path).as_posix()


def _write_file(path: PurePosixPath, write: Callable[[IO[bytes]], object], *, folder: int, unfinished: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(unfinished, flags, ONLY_OWNER_FILE, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            os.fsync(descriptor)
        crash_point("renaming", path.name)
        os.replace(unfinished, path.name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        os.unlink(unfinished, dir_fd=folder)
        raise


@contextmanager
def _parent(root: int, path: PurePosixPath, *, create: bool = False) -> Iterator[int]:
    """Open the folder of a file below an open folder, and follow no link."""
    descriptor = os.dup(root)
    try:
        for part in path.parts[:-1]:
            if create:
                with suppress(FileExistsError):
                    os.mkdir(part, ONLY_OWNER_FOLDER, dir_fd=descriptor)
            inner = os.open(part, OPEN_FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _descriptor(path: str | Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)

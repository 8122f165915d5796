"""What DuckDB and SQLite have in common: a database is a file."""

from abc import abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from etl.database.engines.base import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEngine(Engine):
    """An engine whose databases are files."""

    is_file: bool = True
    log_suffixes: tuple[str, ...]
    """What follows the name of a database file in the names of its logs."""

    @abstractmethod
    def copying(self, file: Path, copy: Path) -> AbstractContextManager[None]:
        """Copy all that is committed in a database file into an empty file, and keep writers waiting until the end.

        Args:
            file: the file of a database that this process has not opened.
            copy: the file to fill; its logs do not exist.

        Raises:
            Exception: an error of the driver, for example since another program writes to the database.
            OSError: a file cannot be read or written.
        """

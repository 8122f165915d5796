"""The files of the archive, in a folder or in a bucket of an S3-compatible store.

A file exists as a whole or not at all: in a folder it is renamed after it was written and synced, and an object store
shows no incomplete object. A seal in each file shows whether its rows are as they were written. A name consists of a
day, a run and a number, never of text from outside: ``2026-11-03/RUN-000001.parquet``.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from etl.archive.bucket import bucket_settings
from etl.archive.rows import ARCHIVE_SCHEMA
from etl.archive.seal import BrokenSealError, Seal
from etl.error_codes import Code
from etl.errors import DamagedArchiveError, UnavailableError
from etl.settings.checks import check_hmac_key
from etl.settings.model import ArchiveSettings
from etl.settings.secret_files import load_secret
from etl.storage.bucket import BUCKET, first_line, reason_of
from etl.storage.folder import Folder, IrregularFileError

NAME = re.compile(r"(?P<day>\d{4}-\d{2}-\d{2})/(?P<run_id>[A-Za-z0-9-]{1,100})-(?P<number>\d{6,})\.parquet\Z", re.ASCII)

FILES = "*-*-*/*.parquet"
"""The pattern of the archive's files; other files in the same place stay untouched."""

NO_DAY = "0000-00-00"
"""A day that no file is of."""

FOLDER_REMEDY = "Check archive.location, its free space and its rights; then run again."
BUCKET_REMEDY = (
    "Check archive.location, archive.s3_endpoint, and the key and its rights; name a private authority in the variable"
    " SSL_CERT_FILE; then run again."
)

READ_WRITE_ERRORS = (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException)
"""Errors of polars when a file cannot be read or written. A panic is no Exception, so no other handler catches it."""

DAMAGE_REMEDY = "Restore the file from a backup, or move it away to go without its answers."


class Store:
    """The files of one archive."""

    def __init__(self, settings: ArchiveSettings) -> None:
        """Take the location from the settings.

        Args:
            settings: settings that name a location.

        Raises:
            ConfigurationError: a secret's file cannot be read, or a variable does not name an HTTP proxy.
        """
        self._location = (settings.location or "").rstrip("/")
        self._is_bucket = self._location.startswith(BUCKET)
        self._folder = Folder(Path(self._location))
        self._seal = Seal(
            load_secret(settings.hmac_key, settings.hmac_key_file, setting="archive.hmac_key", check=check_hmac_key)
        )
        self.files_without_checksum = 0
        """The files that were read and have no checksum, since an older version wrote them."""
        self._proxy = bucket_settings(settings).proxy if self._is_bucket else None
        self._options = storage_options(settings) if self._is_bucket else None

    def __str__(self) -> str:
        return self._location

    def write(self, name: str, rows: pl.DataFrame) -> None:
        """Write a file, as a whole or not at all.

        Raises:
            UnavailableError: the disk is full, the folder is not writable, or the bucket does not respond.
        """
        with self._errors_as_unavailable("write to"):
            write = partial(rows.write_parquet, compression="zstd", metadata=self._seal.make(name, rows))
            if self._is_bucket:
                write(f"{self._location}/{name}", storage_options=self._options)
            else:
                self._folder.write(name, write)

    def files(self) -> list[str]:
        """List the files in the order in which they were written: by run, then by number.

        Raises:
            UnavailableError: the folder or the bucket cannot be read.
        """
        with self._errors_as_unavailable("read"):
            names = self._in_bucket() if self._is_bucket else self._folder.names(FILES)
            found = list(filter(None, map(NAME.fullmatch, list(names))))
        return [name for _, name in sorted((_order(match), match[0]) for match in found if _is_date(match["day"]))]

    def read(self, name: str) -> pl.DataFrame:
        """Read a file.

        Raises:
            DamagedArchiveError: the file is not one that the archive wrote.
            UnavailableError: the file cannot be read at all.
        """
        try:
            rows, metadata = self._read(name)
            has_checksum = self._seal.check(name, rows, metadata)
            matched = rows.match_to_schema(ARCHIVE_SCHEMA)
        except pl.exceptions.PolarsError as error:
            if self._is_bucket:
                raise self._unavailable("read", error) from None
            raise self._damaged(name, "is damaged", quote=first_line(error)) from None
        except pl.exceptions.PanicException:
            # The reader of Parquet ends so on some damage.
            raise self._damaged(name, "is damaged: it cannot be read as Parquet") from None
        except IrregularFileError:
            raise self._damaged(name, "is not a regular file") from None
        except BrokenSealError as error:
            raise self._damaged(name, str(error)) from None
        except OSError as error:
            raise self._unavailable("read", error) from None
        self.files_without_checksum += not has_checksum
        return matched

    def delete(self, name: str) -> None:
        """Delete a file of a folder, and the folder of its day with the last one.

        Raises:
            UnavailableError: the folder is not writable.
        """
        with self._errors_as_unavailable("delete from"):
            self._folder.delete(name)

    def may_be_listed(self) -> bool:
        """Ask a bucket for the files of a day that has none; False if the key may not list.

        Raises:
            UnavailableError: the bucket does not answer, does not exist, or refuses the key.
        """
        options: dict[str, Any] = {**(self._options or {}), "max_retries": 1}
        pattern = f"{self._location}/{NO_DAY}/*.parquet"
        try:
            pl.scan_parquet(pattern, schema=ARCHIVE_SCHEMA, storage_options=options).collect()
        except READ_WRITE_ERRORS as error:
            if "AccessDenied" in str(error):
                return False
            raise self._unavailable("read", error) from None
        return True

    def _read(self, name: str) -> tuple[pl.DataFrame, dict[str, str]]:
        if self._is_bucket:
            place = f"{self._location}/{name}"
            metadata = pl.read_parquet_metadata(place, storage_options=self._options)
            return pl.read_parquet(place, storage_options=self._options), metadata
        with self._folder.opened(name) as file:
            metadata = pl.read_parquet_metadata(file)
            file.seek(0)
            return pl.read_parquet(file), metadata

    def _damaged(self, name: str, problem: str, *, quote: str = "") -> DamagedArchiveError:
        message = f"{self._location}/{name} {problem}."
        return DamagedArchiveError(message, code=Code.ARCHIVE_DAMAGED, remedy=DAMAGE_REMEDY, quote=quote)

    def _in_bucket(self) -> Iterator[str]:
        paths = pl.scan_parquet(f"{self._location}/{FILES}", include_file_paths="file", storage_options=self._options)
        for path in paths.select(pl.col("file").unique()).collect()["file"]:
            yield "/".join(path.rsplit("/", 2)[1:])

    @contextmanager
    def _errors_as_unavailable(self, action: str) -> Iterator[None]:
        try:
            yield
        except READ_WRITE_ERRORS as error:
            raise self._unavailable(action, error) from None

    def _unavailable(self, action: str, error: Exception) -> UnavailableError:
        by = f" (through the proxy {self._proxy})" if self._proxy else ""
        return UnavailableError(
            f"Cannot {action} the archive {self._location}: {reason_of(error)}{by}.",
            code=Code.ARCHIVE_UNAVAILABLE,
            remedy=BUCKET_REMEDY if self._is_bucket else FOLDER_REMEDY,
        )


def storage_options(settings: ArchiveSettings) -> dict[str, str]:
    """Return the bucket's address and keys and the proxy for polars."""
    return bucket_settings(settings).options()


def file_name(day: date, run_id: str, *, number: int) -> str:
    """Return the name of a file."""
    return f"{day.isoformat()}/{run_id}-{number:06d}.parquet"


def day_of(name: str) -> date:
    """Return the day in the name of a file."""
    return date.fromisoformat(name.partition("/")[0])


def _is_date(day: str) -> bool:
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True


def _order(match: re.Match[str]) -> tuple[str, int, str]:
    # A run's ID begins with the time, so its order is that of the runs.
    return match["run_id"], int(match["number"]), match["day"]

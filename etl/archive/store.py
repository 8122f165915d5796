"""The files of the archive, in a folder or in a bucket of an S3-compatible store.

A file exists as a whole or not at all: in a folder it is renamed after it was written and synced, and an object store
shows no incomplete object. A name consists of a day, a run and a number, never of text from outside:
``2026-11-03/RUN-000001.parquet``.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from etl.archive.rows import ARCHIVE_SCHEMA
from etl.error_codes import Code
from etl.errors import DamagedArchiveError, UnavailableError
from etl.settings.model import ArchiveSettings
from etl.settings.proxy import Proxy, choose_proxy
from etl.settings.secret_files import load_secret

BUCKET = "s3://"

NAME = re.compile(r"(?P<day>\d{4}-\d{2}-\d{2})/(?P<run_id>[A-Za-z0-9-]{1,100})-(?P<number>\d{6,})\.parquet\Z", re.ASCII)

FILES = "*-*-*/*.parquet"
"""The pattern of the archive's files; other files in the same place stay untouched."""

NO_DAY = "0000-00-00"
"""A day that no file is of."""

METADATA_SERVERS = "169.254.0.0/16,fd00:ec2::/32"
"""Servers inside the machine's own network that hand out the credentials of its role; no proxy reaches them."""

NO_PROXY = {"proxy_url": "http://127.0.0.1:9", "proxy_excludes": "*,0.0.0.0/0,::/0"}
"""Keeps polars from reading the variables itself: a proxy that is used for no address."""

FOLDER_REMEDY = "Check archive.location, its free space and its rights; then run again."
BUCKET_REMEDY = (
    "Check archive.location, archive.s3_endpoint, and the key and its rights; name a private authority in the variable"
    " SSL_CERT_FILE; then run again."
)

S3_ERROR = re.compile(r"<Code>([^<]+)</Code>\s*<Message>([^<]*)")
CAUSE = re.compile(r"^ +\d+: (.+)$", re.MULTILINE)
"""Polars lists the causes of an error below it, the first one last."""

READ_WRITE_ERRORS = (OSError, pl.exceptions.PolarsError)
"""Errors of polars when a file cannot be read or written."""


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
        self._proxy = _proxy_to_bucket(settings)
        self._options = storage_options(settings) if self._is_bucket else None

    def __str__(self) -> str:
        return self._location

    def write(self, name: str, rows: pl.DataFrame) -> None:
        """Write a file, as a whole or not at all.

        Raises:
            UnavailableError: the disk is full, the folder is not writable, or the bucket does not respond.
        """
        with self._errors_as_unavailable("write to"):
            if self._is_bucket:
                rows.write_parquet(f"{self._location}/{name}", compression="zstd", storage_options=self._options)
            else:
                _write_file(Path(self._location, name), rows)

    def files(self) -> list[str]:
        """List the files in the order in which they were written: by run, then by number.

        Raises:
            UnavailableError: the folder or the bucket cannot be read.
        """
        with self._errors_as_unavailable("read"):
            found = list(self._in_bucket() if self._is_bucket else self._in_folder())
        return [name for _, name in sorted((_order(match), match[0]) for match in found)]

    def read(self, name: str) -> pl.DataFrame:
        """Read a file.

        Raises:
            DamagedArchiveError: the file is not one that the archive wrote.
            UnavailableError: the file cannot be read at all.
        """
        try:
            return pl.read_parquet(f"{self._location}/{name}", storage_options=self._options).match_to_schema(
                ARCHIVE_SCHEMA
            )
        except pl.exceptions.PolarsError as error:
            if not self._is_bucket:
                raise DamagedArchiveError(
                    f"{self._location}/{name} is damaged: {_first_line(error)}.",
                    code=Code.ARCHIVE_DAMAGED,
                    remedy="Restore the file from a backup, or move it away to go without its answers.",
                ) from None
            raise self._unavailable("read", error) from None
        except OSError as error:
            raise self._unavailable("read", error) from None

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

    def _in_folder(self) -> Iterator[re.Match[str]]:
        folder = Path(self._location)
        if not folder.is_dir():
            raise FileNotFoundError("there is no such folder")
        for file in folder.glob(FILES):
            if match := NAME.fullmatch(file.relative_to(folder).as_posix()):
                yield match

    def _in_bucket(self) -> Iterator[re.Match[str]]:
        paths = pl.scan_parquet(f"{self._location}/{FILES}", include_file_paths="file", storage_options=self._options)
        for path in paths.select(pl.col("file").unique()).collect()["file"]:
            if match := NAME.search(path):
                yield match

    @contextmanager
    def _errors_as_unavailable(self, action: str) -> Iterator[None]:
        try:
            yield
        except READ_WRITE_ERRORS as error:
            raise self._unavailable(action, error) from None

    def _unavailable(self, action: str, error: Exception) -> UnavailableError:
        by = f" (through the proxy {self._proxy})" if self._proxy else ""
        return UnavailableError(
            f"Cannot {action} the archive {self._location}: {_reason(error)}{by}.",
            code=Code.ARCHIVE_UNAVAILABLE,
            remedy=BUCKET_REMEDY if self._is_bucket else FOLDER_REMEDY,
        )


def bucket_address(settings: ArchiveSettings) -> str | None:
    """Return the address of the store that holds the bucket; None if the archive is a folder or not configured."""
    if not (settings.location or "").startswith(BUCKET):
        return None
    return settings.s3_endpoint or f"https://s3.{settings.s3_region or 'us-east-1'}.amazonaws.com"


def _proxy_to_bucket(settings: ArchiveSettings) -> Proxy | None:
    address = bucket_address(settings)
    return choose_proxy(address) if address else None


def storage_options(settings: ArchiveSettings) -> dict[str, str]:
    """Return the bucket's address and keys and the proxy for polars, which finds other keys by itself."""
    secret = load_secret(
        settings.s3_secret_access_key,
        settings.s3_secret_access_key_file,
        setting="archive.s3_secret_access_key",
    )
    options = {
        "aws_endpoint_url": settings.s3_endpoint,
        "aws_region": settings.s3_region,
        "aws_access_key_id": settings.s3_access_key_id,
        "aws_secret_access_key": secret.get_secret_value() if secret else None,
        # The settings allow http only for this machine.
        "aws_allow_http": "true" if (settings.s3_endpoint or "").startswith("http:") else None,
    }
    proxy = _proxy_to_bucket(settings)
    way = {"proxy_url": proxy.url.get_secret_value(), "proxy_excludes": METADATA_SERVERS} if proxy else NO_PROXY
    return {name: value for name, value in options.items() if value} | way


def file_name(day: date, run_id: str, *, number: int) -> str:
    """Return the name of a file."""
    return f"{day.isoformat()}/{run_id}-{number:06d}.parquet"


def day_of(name: str) -> date:
    """Return the day in the name of a file."""
    return date.fromisoformat(name.partition("/")[0])


def _order(match: re.Match[str]) -> tuple[str, int, str]:
    # A run's ID begins with the time, so its order is that of the runs.
    return match["run_id"], int(match["number"]), match["day"]


def _write_file(path: Path, rows: pl.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    try:
        with unfinished.open("wb") as file:
            rows.write_parquet(file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    for folder in (path.parent, path.parent.parent):
        _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    """Make sure that the name of a new file survives a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: Exception) -> str:
    """Return the store's own words, or else the first line of an error with its first cause."""
    if found := S3_ERROR.search(str(error)):
        return f"{found[1]}: {found[2]}".rstrip(". ")
    return ": ".join([_first_line(error), *CAUSE.findall(str(error))[-1:]])


def _first_line(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (text.strip().splitlines() or [type(error).__name__])[0].rstrip(".")

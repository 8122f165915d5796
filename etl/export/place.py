"""Where an export is: a folder, or a prefix of a bucket of an S3-compatible store.

Both show a file as a whole or not at all, and replace the manifest in one step: a folder renames a file, and a bucket
takes it in one put.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, cast

from etl.error_codes import Code
from etl.errors import ConfigurationError, UnavailableError
from etl.export.files import NAME
from etl.export.manifest import MANIFEST
from etl.storage.bucket import BUCKET, BucketSettings, reason_of
from etl.storage.folder import Folder, IrregularFileError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config, S3Store

FOLDER_REMEDY = "Check the folder, its free space and its rights; then export again."
BUCKET_REMEDY = (
    "Check --out, export.s3_endpoint, and the key and its rights; name a private authority in the variable"
    " SSL_CERT_FILE; then export again."
)

CLIENT_OPTIONS = ("proxy_url", "proxy_excludes")
"""The options that obstore takes apart from those of the store."""

RETRY_SECONDS = 60
"""The time in which a request to a store is repeated after a failure."""


class Place(ABC):
    """The place of an export."""

    def __init__(self, location: str) -> None:
        self.location = location

    def __str__(self) -> str:
        return self.location

    @abstractmethod
    def read_manifest(self) -> bytes | None:
        """Return the bytes of the manifest; None if there is none.

        Raises:
            UnavailableError: the place cannot be read.
        """

    @abstractmethod
    def files(self) -> dict[str, int]:
        """Return the names of all files with their sizes in bytes.

        Raises:
            UnavailableError: the place cannot be read.
        """

    @abstractmethod
    def write(self, name: str, content: bytes) -> None:
        """Write a file, as a whole or not at all; it survives a power failure once a manifest is published.

        Args:
            name: the name below the place.
            content: the bytes.

        Raises:
            UnavailableError: the disk is full, the folder is not writable, or the bucket refuses the file.
        """

    @abstractmethod
    def delete(self, name: str) -> None:
        """Delete a file; one that is gone already is no error.

        Raises:
            UnavailableError: the file cannot be deleted.
        """

    @abstractmethod
    def publish(self, manifest: bytes, export_id: str) -> None:
        """Replace the manifest in one step, once all files survive a power failure.

        Raises:
            UnavailableError: it cannot be written; the manifest before it is still there.
        """

    def _unavailable(self, action: str, error: BaseException, *, remedy: str, way: str = "") -> UnavailableError:
        return UnavailableError(
            f"Cannot {action} the export {self.location}: {reason_of(error)}{way}.",
            code=Code.EXPORT_UNAVAILABLE,
            remedy=remedy,
        )


class FolderPlace(Place):
    """A folder, which is created for the job's user only."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self._path = Path(location)
        self._folder = Folder(self._path)
        self._written: list[str] = []

    def read_manifest(self) -> bytes | None:
        """Open the file, and follow no link."""
        with self._errors("read"):
            if not (self._path / MANIFEST).exists():
                return None
            with self._folder.opened(MANIFEST) as file:
                return file.read()

    def files(self) -> dict[str, int]:
        """Walk through the folder."""
        with self._errors("read"):
            if not self._path.exists():
                return {}
            names = list(self._folder.names("**/*"))
            return {name: path.lstat().st_size for name in names if not (path := self._path / name).is_dir()}

    def write(self, name: str, content: bytes) -> None:
        """Rename the file after it was written and synced; its folders are synced later, each once."""
        with self._errors("write to"):
            self._folder.write(name, lambda file: file.write(content), sync_folders=False)
        self._written.append(name)

    def publish(self, manifest: bytes, export_id: str) -> None:
        """Sync the folders of the files, then write and rename the manifest."""
        with self._errors("write to"):
            if self._written:
                self._folder.sync_folders(self._written)
            unfinished = f"manifest-{export_id}.unfinished"
            self._folder.write(MANIFEST, lambda file: file.write(manifest), unfinished=unfinished)

    def delete(self, name: str) -> None:
        """Delete the file, and its folder with the last one."""
        with self._errors("delete from"):
            self._folder.delete(name)

    @contextmanager
    def _errors(self, action: str) -> Iterator[None]:
        try:
            yield
        except IrregularFileError:
            problem = OSError(f"{MANIFEST} is not a regular file")
            raise self._unavailable(action, problem, remedy=FOLDER_REMEDY) from None
        except OSError as error:
            raise self._unavailable(action, error, remedy=FOLDER_REMEDY) from None


class BucketPlace(Place):
    """A prefix of a bucket."""

    def __init__(self, location: str, settings: BucketSettings, *, virtual_host: bool) -> None:
        """Take the way to the bucket from the settings.

        Args:
            location: ``s3://bucket/prefix``.
            settings: the store.
            virtual_host: whether the name of the bucket is a part of the host.

        Raises:
            ConfigurationError: obstore is not installed, or a secret's file or a proxy cannot be used.
        """
        super().__init__(location)
        bucket, _, prefix = location.removeprefix(BUCKET).partition("/")
        self._prefix = PurePosixPath(prefix)
        self._proxy = settings.proxy
        self._store = _store(bucket, settings, virtual_host=virtual_host)

    def read_manifest(self) -> bytes | None:
        """Get the object."""
        try:
            with self._errors("read"):
                return bytes(self._store.get(self._key(MANIFEST)).bytes())
        except FileNotFoundError:
            return None

    def files(self) -> dict[str, int]:
        """List the objects."""
        start = len(f"{self._prefix}/") if self._prefix.parts else 0
        with self._errors("read"):
            pages = self._store.list(str(self._prefix) if self._prefix.parts else None)
            return {each["path"][start:]: each["size"] for page in pages for each in page}

    def write(self, name: str, content: bytes) -> None:
        """Put the object; a large one goes in parts, and appears with the last."""
        with self._errors("write to"):
            self._store.put(self._key(name), BytesIO(content))

    def publish(self, manifest: bytes, export_id: str) -> None:  # noqa: ARG002 - as in a folder
        """Put the manifest."""
        self.write(MANIFEST, manifest)

    def delete(self, name: str) -> None:
        """Delete the object."""
        try:
            with self._errors("delete from"):
                self._store.delete(self._key(name))
        except FileNotFoundError:
            return

    def _key(self, name: str) -> str:
        return str(self._prefix / name)

    @contextmanager
    def _errors(self, action: str) -> Iterator[None]:
        from obstore.exceptions import BaseError  # noqa: PLC0415 - an optional part

        try:
            yield
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise self._unavailable(action, error, remedy=BUCKET_REMEDY) from None
            raise
        except (BaseError, OSError) as error:
            way = f" (through the proxy {self._proxy})" if self._proxy else ""
            raise self._unavailable(action, error, remedy=BUCKET_REMEDY, way=way) from None


def is_own_name(name: str) -> bool:
    """Return whether an export may have written a file of this name."""
    return name == MANIFEST or bool(NAME.match(name))


def _store(bucket: str, settings: BucketSettings, *, virtual_host: bool) -> "S3Store":
    try:
        from obstore.store import S3Store  # noqa: PLC0415 - an optional part
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"An export to a bucket needs a library that is not installed ({error}).",
            code=Code.EXTRA_MISSING,
            remedy="Install it: pip install 'koodrive-task-audit[s3]'.",
        ) from None
    options = settings.options()
    client: dict[str, Any] = {name: options.pop(name) for name in CLIENT_OPTIONS if name in options}
    if "aws_allow_http" in options:
        client["allow_http"] = options.pop("aws_allow_http")
    if virtual_host:
        scheme, _, host = settings.address.partition("://")
        options |= {"aws_endpoint_url": f"{scheme}://{bucket}.{host}", "aws_virtual_hosted_style_request": "true"}
    return S3Store(
        bucket,
        config=cast("S3Config", options),
        client_options=cast("ClientConfig", client),
        retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=RETRY_SECONDS)},
    )

"""The manifest of an export, ``manifest.json``: which files belong together, and what is in them.

It is written last and replaced as a whole, so its readers see one export or the next, never a half of one.
"""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from etl.error_codes import Code
from etl.errors import ConfigurationError, InputError

MANIFEST = "manifest.json"

FORMAT = "task-audit-export"

FORMAT_VERSION = 1
"""A change that a reader of this version would misunderstand adds one; a new key does not."""


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """A version of a file, which never changes once it is written."""

    path: str
    """The name below the folder of the manifest."""
    rows: int
    bytes: int
    sha256: str


class Partition(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of one day, or those of a table without days."""

    day: str | None
    """The day in UTC, such as 2026-11-03. Null: rows without a time, or a table without days."""
    rows: int
    fingerprint: str
    """What the next export compares with the warehouse."""
    export_id: str
    """The export that wrote the files, so that a loader finds the days that are new in this export."""
    files: tuple[Part, ...]


class ColumnType(msgspec.Struct, frozen=True, kw_only=True):
    """A column of a table."""

    name: str
    type: str
    """The type in Arrow's words: int64, double, bool, string, date32[day] or timestamp[us, tz=UTC]."""
    nullable: bool
    meaning: str


class TableEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A table of an export."""

    name: str
    meaning: str
    key: tuple[str, ...]
    partitioned_by: str | None
    """The column whose day in UTC is the partition. Null: the table has no days."""
    columns: tuple[ColumnType, ...]
    rows: int
    partitions: tuple[Partition, ...]


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """The newest run of the warehouse when the export began."""

    run_id: str
    started_at: datetime
    finished_at: datetime | None
    outcome: str


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """The warehouse of an export."""

    engine: str
    address: str
    """The URL without user, password and arguments."""
    schema: str | None
    first_run_id: str | None
    """A run that no other warehouse has, by which the next export knows this one. Null: there was no run yet."""
    run: Run | None


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """What an export compared with the warehouse; the rest is as earlier exports left it."""

    since: str | None = None
    until: str | None = None
    """The first and the last day. Null: all."""
    tables: tuple[str, ...] = ()
    """Empty: all."""

    @property
    def is_everything(self) -> bool:
        """Whether the export is the whole warehouse as of one instant."""
        return self == Selection()


class Superseded(msgspec.Struct, frozen=True, kw_only=True):
    """A file that this manifest does not need any more, which stays for readers of an earlier one."""

    path: str
    superseded_at: datetime


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The manifest of an export."""

    format: str
    format_version: int
    export_id: str
    exported_at: datetime
    """When the export read the warehouse, all tables as of one instant."""
    complete: bool
    """Whether the files are the whole warehouse as of then. False: the export was limited to some days or tables."""
    program: str
    source: Source
    selection: Selection
    tables: tuple[TableEntry, ...]
    superseded: tuple[Superseded, ...] = ()

    def partitions(self, table: str) -> dict[str | None, Partition]:
        """Return the partitions of a table by day."""
        entries = (entry for entry in self.tables if entry.name == table)
        return {partition.day: partition for entry in entries for partition in entry.partitions}

    def paths(self) -> Iterator[str]:
        """Yield the names of all files of the export."""
        for entry in self.tables:
            for partition in entry.partitions:
                yield from (part.path for part in partition.files)


class _Version(msgspec.Struct, frozen=True, kw_only=True):
    format: str
    format_version: int
    program: str = ""


def write_manifest(manifest: Manifest) -> bytes:
    """Return the bytes of a manifest."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def read_manifest(content: bytes, place: str) -> Manifest:
    """Read a manifest.

    Args:
        content: the bytes of the file.
        place: where the export is, for messages.

    Raises:
        ConfigurationError: a newer program has written it.
        InputError: it is not the manifest of an export.
    """
    try:
        version = msgspec.json.decode(content, type=_Version)
        if version.format == FORMAT and version.format_version > FORMAT_VERSION:
            raise ConfigurationError(
                f"The export at {place} has the format {version.format_version}, newer than this program knows.",
                code=Code.EXPORT_NEWER,
                remedy="Upgrade koodrive-task-audit, or export to another place.",
            )
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError):
        manifest = None
    if manifest is None or manifest.format != FORMAT:
        raise InputError(
            f"The file {MANIFEST} at {place} is not that of an export.",
            code=Code.EXPORT_PLACE_TAKEN,
            remedy="Export to an empty folder or prefix; or restore the manifest from a backup.",
        )
    return manifest

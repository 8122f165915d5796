"""Exports the warehouse: reads one state of it, writes the days that changed, and publishes a manifest."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from hashlib import sha256

import structlog
from sqlalchemy import URL
from uuid_utils.compat import uuid7

from etl import __version__
from etl.crash_points import crash_point
from etl.database.clock import clock_of
from etl.database.url import parse_database_url
from etl.error_codes import Code
from etl.errors import InputError, StoppedError, UnavailableError
from etl.export.files import write_days
from etl.export.manifest import (
    FORMAT,
    FORMAT_VERSION,
    ColumnType,
    Manifest,
    Part,
    Partition,
    Run,
    Selection,
    Source,
    TableEntry,
    read_manifest,
    write_manifest,
)
from etl.export.place import BucketPlace, FolderPlace, Place, is_own_name
from etl.export.plan import Range, compare, fingerprint_of, leftovers, superseded_by
from etl.jobs.opening import open_warehouse
from etl.settings.export import ExportSettings
from etl.settings.load import Settings
from etl.settings.model import WarehouseSettings
from etl.storage.bucket import BUCKET, BucketSettings
from etl.warehouse.read.exported import (
    EXPORTED,
    DayState,
    ExportedTable,
    arrow_type,
    days_of,
    first_run_id,
    has_run,
    last_run,
    rows_of,
)
from etl.warehouse.read.snapshots import open_snapshot
from etl.warehouse.read.snapshots.base import Snapshot

log: structlog.stdlib.BoundLogger = structlog.get_logger()

TABLES = tuple(exported.name for exported in EXPORTED)
"""The names of the tables that an export holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What a user asks an export for."""

    out: str
    """A folder, or ``s3://bucket/prefix``."""
    full: bool = False
    """Whether to write every day again, changed or not."""
    days: Range = field(default_factory=Range)
    tables: tuple[str, ...] = ()
    """Empty: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedTableCount:
    """The numbers of one table."""

    table: str
    rows: int
    """The rows of the export."""
    written_days: int
    """The days whose files are new; 1 for a table without days that was written."""
    written_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export did."""

    export_id: str
    out: str
    exported_at: datetime
    complete: bool
    run_id: str | None
    """The newest run in the export."""
    tables: tuple[ExportedTableCount, ...]
    bytes: int
    """The bytes of the new files."""
    deleted_files: int
    """The files of earlier exports that are gone."""


def export_warehouse(settings: Settings, request: ExportRequest) -> Exported:
    """Export the warehouse, or what changed in it since the last export to the same place.

    Raises:
        ConfigurationError: a newer program has written the export, or a part for buckets is not installed.
        InputError: the place holds something else, or the export of another warehouse.
        StoppedError: another export to the same place has finished in the meantime.
        UnavailableError: the warehouse or the place cannot be used.
    """
    place = open_place(request.out, settings.export)
    content = place.read_manifest()
    before = None if content is None else read_manifest(content, str(place))
    sizes = place.files()
    if before is None and any(not is_own_name(name) for name in sizes):
        raise InputError(
            f"{place} is not empty, and holds no export.",
            code=Code.EXPORT_PLACE_TAKEN,
            remedy="Name an empty folder or prefix, or that of an earlier export.",
        )
    with (
        open_warehouse(settings.warehouse, read_only=True) as warehouse,
        open_snapshot(warehouse.engine) as snapshot,
    ):
        _require_same_warehouse(snapshot, before, place)
        export = _Export(place, request, before=before, sizes=sizes, now=clock_of(warehouse.engine)())
        manifest = export.write(snapshot, settings.warehouse)
    deleted = _publish(place, manifest, before=before, sizes=sizes)
    return export.result(manifest, deleted_files=deleted)


def open_place(location: str, settings: ExportSettings) -> Place:
    """Open the folder or the bucket; the first request to a bucket is that for its manifest.

    Raises:
        ConfigurationError: the part for buckets is not installed, or a secret's file or a proxy cannot be used.
    """
    if not location.startswith(BUCKET):
        return FolderPlace(location)
    way = BucketSettings(
        section="export",
        s3_endpoint=settings.s3_endpoint,
        s3_region=settings.s3_region,
        s3_access_key_id=settings.s3_access_key_id,
        s3_secret_access_key=settings.s3_secret_access_key,
        s3_secret_access_key_file=settings.s3_secret_access_key_file,
    )
    return BucketPlace(location.rstrip("/"), way, virtual_host=settings.s3_virtual_host)


class _Export:
    """One export: the days that it has to write, and the numbers of what it wrote."""

    def __init__(
        self, place: Place, request: ExportRequest, *, before: Manifest | None, sizes: dict[str, int], now: datetime
    ) -> None:
        self._place = place
        self._request = request
        self._before = before
        self._sizes = sizes
        self._now = now
        self._export_id = str(uuid7())
        self._counts: list[ExportedTableCount] = []
        self._bytes = 0

    def write(self, snapshot: Snapshot, warehouse: WarehouseSettings) -> Manifest:
        """Write the files, and return the manifest that names them."""
        tables = tuple(self._tables(snapshot))
        days = self._request.days
        selection = Selection(
            since=days.first.isoformat() if days.first else None,
            until=days.last.isoformat() if days.last else None,
            tables=self._request.tables,
        )
        url = parse_database_url(warehouse.url)
        # Without the user, the password, and the arguments, which may be secrets, too.
        address = URL.create(url.drivername, host=url.host, port=url.port, database=url.database)
        run = last_run(snapshot)
        paths = {part.path for table in tables for partition in table.partitions for part in partition.files}
        superseded, _ = superseded_by(paths, self._before, now=self._now)
        return Manifest(
            format=FORMAT,
            format_version=FORMAT_VERSION,
            export_id=self._export_id,
            exported_at=self._now,
            complete=selection.is_everything,
            program=f"koodrive-task-audit {__version__}",
            source=Source(
                engine=snapshot.connection.dialect.name,
                address=address.render_as_string(),
                schema=warehouse.schema_name,
                first_run_id=first_run_id(snapshot),
                run=Run(**asdict(run)) if run else None,
            ),
            selection=selection,
            tables=tables,
            superseded=superseded,
        )

    def result(self, manifest: Manifest, *, deleted_files: int) -> Exported:
        """Return the numbers of the export."""
        return Exported(
            export_id=manifest.export_id,
            out=str(self._place),
            exported_at=manifest.exported_at,
            complete=manifest.complete,
            run_id=manifest.source.run.run_id if manifest.source.run else None,
            tables=tuple(self._counts),
            bytes=self._bytes,
            deleted_files=deleted_files,
        )

    def _tables(self, snapshot: Snapshot) -> Iterator[TableEntry]:
        earlier = {entry.name: entry for entry in self._before.tables} if self._before else {}
        for exported in EXPORTED:
            if not self._request.tables or exported.name in self._request.tables:
                yield self._table(snapshot, exported)
            elif exported.name in earlier:
                yield earlier[exported.name]

    def _table(self, snapshot: Snapshot, exported: ExportedTable) -> TableEntry:
        before = self._before.partitions(exported.name) if self._before else {}
        columns = tuple(
            ColumnType(
                name=str(column.name),
                type=arrow_type(column.type),
                nullable=bool(column.nullable),
                meaning=str(column.comment),
            )
            for column in exported.columns
        )
        digest = sha256(repr([(each.name, each.type) for each in columns]).encode()).hexdigest()[:16]
        states = days_of(snapshot, exported)
        asked = self._request.days if exported.day_of else Range()
        plan = compare(states, before, sizes=self._sizes, asked=asked, digest=digest, full=self._request.full)
        written = list(self._write_days(snapshot, exported, states, set(plan.wanted), digest=digest))
        partitions = tuple(sorted([*plan.kept, *written], key=lambda each: each.day or ""))
        rows = sum(partition.rows for partition in partitions)
        written_rows = sum(partition.rows for partition in written)
        self._counts.append(
            ExportedTableCount(table=exported.name, rows=rows, written_days=len(written), written_rows=written_rows)
        )
        return TableEntry(
            name=exported.name,
            meaning=str(exported.table.comment),
            key=tuple(map(str, exported.table.primary_key.columns.keys())),
            partitioned_by=exported.day_of,
            columns=columns,
            rows=rows,
            partitions=partitions,
        )

    def _write_days(
        self,
        snapshot: Snapshot,
        exported: ExportedTable,
        states: list[DayState],
        wanted: set[date | None],
        *,
        digest: str,
    ) -> Iterator[Partition]:
        changed = [state for state in states if state.day in wanted]
        parts: dict[date | None, list[Part]] = {state.day: [] for state in changed}
        frames = rows_of(snapshot, exported, changed, [state.day for state in states])
        for day, part in write_days(
            frames,
            table=exported.name,
            export_id=self._export_id,
            write=self._place.write,
            has_days=exported.day_of is not None,
        ):
            parts[day].append(part)
            self._bytes += part.bytes
        for state in changed:
            found = sum(part.rows for part in parts[state.day])
            if found != state.rows:
                raise RuntimeError(f"{exported.name} has {state.rows} rows on {state.day}, and {found} were read")
            yield Partition(
                day=state.day.isoformat() if state.day else None,
                rows=state.rows,
                fingerprint=fingerprint_of(state, digest),
                export_id=self._export_id,
                files=tuple(parts[state.day]),
            )


def _require_same_warehouse(snapshot: Snapshot, before: Manifest | None, place: Place) -> None:
    first = before.source.first_run_id if before else None
    if before and first and not has_run(snapshot, first):
        raise InputError(
            f"{place} holds the export of another warehouse, {before.source.address}.",
            code=Code.EXPORT_OTHER_WAREHOUSE,
            remedy="Name another folder or prefix for this warehouse.",
        )


def _publish(place: Place, manifest: Manifest, *, before: Manifest | None, sizes: dict[str, int]) -> int:
    """Replace the manifest, and delete what no reader needs any more; returns the number of deleted files."""
    crash_point("exported")
    content = place.read_manifest()
    if content is not None and (before is None or read_manifest(content, str(place)).export_id != before.export_id):
        raise StoppedError(
            f"Another export to {place} has finished in the meantime.",
            code=Code.EXPORT_OVERTAKEN,
            remedy="Export again; one export at a time is enough.",
        )
    place.publish(write_manifest(manifest), manifest.export_id)
    crash_point("published")
    paths = set(manifest.paths())
    _, unneeded = superseded_by(paths, before, now=manifest.exported_at)
    known = paths | {each.path for each in manifest.superseded} | set(unneeded)
    gone = [*unneeded, *leftovers(sizes, known, now=manifest.exported_at)]
    deleted = 0
    try:
        for name in gone:
            crash_point("deleting")
            place.delete(name)
            deleted += 1
    except UnavailableError as error:
        # The export is whole; the next one tries again.
        log.warning("export_left_files", files=len(gone) - deleted, said=error.message)
    return deleted

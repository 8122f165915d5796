"""Exports the warehouse: reads one state of it, writes the days that changed, and publishes a manifest."""

import structlog

from etl.crash_points import crash_point
from etl.database.clock import clock_of
from etl.error_codes import Code
from etl.errors import InputError, StoppedError, UnavailableError
from etl.export.manifest import Manifest, read_manifest, write_manifest
from etl.export.place import BucketPlace, FolderPlace, Place, is_own_name
from etl.export.plan import leftovers, superseded_by
from etl.jobs.export.content import ExportContent, Exported, ExportRequest
from etl.jobs.opening import open_warehouse
from etl.settings.export import ExportSettings
from etl.settings.load import Settings
from etl.storage.bucket import BUCKET, BucketSettings
from etl.warehouse.read.exported import EXPORTED, has_run
from etl.warehouse.read.snapshots import open_snapshot
from etl.warehouse.read.snapshots.base import Snapshot

log: structlog.stdlib.BoundLogger = structlog.get_logger()

TABLES = tuple(exported.name for exported in EXPORTED)
"""The names of the tables that an export holds."""


def export_warehouse(settings: Settings, request: ExportRequest) -> Exported:
    """Export the warehouse, or what changed in it since the last export to the same place.

    Raises:
        ConfigurationError: a newer program has written the export, or a part for buckets is not installed.
        InputError: the place holds something else, or the export of another warehouse.
        StoppedError: another export to the same place has finished in the meantime.
        UnavailableError: the warehouse or the place cannot be used.
    """
    place, source = open_place(request.out, settings.export), settings.warehouse.for_reading
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
        open_warehouse(source, read_only=True) as warehouse,
        open_snapshot(warehouse.engine) as snapshot,
    ):
        _require_same_warehouse(snapshot, before, place)
        export = ExportContent(place, request, before=before, sizes=sizes, now=clock_of(warehouse.engine)())
        manifest = export.write(snapshot, source)
    deleted = _publish(place, manifest, before=before, sizes=sizes)
    return export.result(manifest, deleted_files=deleted)


def open_place(location: str, settings: ExportSettings) -> Place:
    """Open the folder or the bucket; the first request to a bucket is that for its manifest.

    Raises:
        ConfigurationError: the part for buckets is not installed, or a secret's file or a proxy cannot be used.
    """
    if not location.startswith(BUCKET):
        return FolderPlace(location)
    way = BucketSettings.of("export", settings)
    return BucketPlace(location.rstrip("/"), way, virtual_host=settings.s3_virtual_host)


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

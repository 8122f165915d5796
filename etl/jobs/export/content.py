"""Writes the content of an export: the days that changed, and the manifest that names all files."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from hashlib import sha256

from sqlalchemy import URL
from uuid_utils.compat import uuid7

from etl import __version__
from etl.database.url import parse_database_url
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
)
from etl.export.place import Place
from etl.export.plan import Range, compare, fingerprint_of, superseded_by
from etl.settings.model import WarehouseSettings
from etl.warehouse.read.exported import (
    EXPORTED,
    DayState,
    ExportedTable,
    arrow_type,
    days_of,
    first_run_id,
    last_run,
    rows_of,
)
from etl.warehouse.read.snapshots.base import Snapshot


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


class ExportContent:
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

"""Decides, from the manifest of the export before and the state of the warehouse, what an export writes and deletes."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from etl.export.files import written_at
from etl.export.manifest import Manifest, Partition, Superseded

GRACE = timedelta(days=1)
"""The time for which files stay that no newer manifest names: a reader may have begun with an older one."""


class State(Protocol):
    """The rows of one day, as the warehouse has them."""

    @property
    def day(self) -> date | None: ...  # noqa: D102 - a protocol
    @property
    def rows(self) -> int: ...  # noqa: D102
    @property
    def fingerprint(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What becomes of the days of a table."""

    wanted: list[date | None]
    """The days whose files are written."""
    kept: list[Partition]
    """The days whose files stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The days that an export compares with the warehouse."""

    first: date | None = None
    last: date | None = None

    def holds(self, day: date | None) -> bool:
        """Return whether a day is in the range; rows without a day are in no limited one."""
        if self.first is None and self.last is None:
            return True
        return day is not None and (self.first or day) <= day <= (self.last or day)


def compare(
    states: Sequence[State],
    before: Mapping[str | None, Partition],
    *,
    sizes: Mapping[str, int],
    asked: Range,
    digest: str,
    full: bool,
) -> Comparison:
    """Compare the days of a table with those of the export before.

    Args:
        states: the days in the warehouse.
        before: the days of the export before.
        sizes: the bytes of each file at the place.
        asked: the days to compare; the others stay as they are.
        digest: the form of the table, which makes all fingerprints differ if it changes.
        full: whether to write all days, changed or not.
    """
    wanted: list[date | None] = []
    kept = [partition for partition in before.values() if not asked.holds(_date(partition.day))]
    for state in states:
        if not asked.holds(state.day):
            continue
        partition = before.get(_text(state.day))
        if full or partition is None or not _is_as_before(partition, state, digest=digest, sizes=sizes):
            wanted.append(state.day)
        else:
            kept.append(partition)
    return Comparison(wanted=wanted, kept=kept)


def fingerprint_of(state: State, digest: str) -> str:
    """Return what the manifest keeps of the state of a day."""
    return f"{digest}:{state.rows}:{state.fingerprint}"


def superseded_by(
    paths: Collection[str], before: Manifest | None, *, now: datetime
) -> tuple[tuple[Superseded, ...], list[str]]:
    """Return the files that stay for readers of earlier manifests, and those that go.

    Args:
        paths: the files of the new manifest.
        before: the manifest before.
        now: the instant of the export.
    """
    if before is None:
        return (), []
    listed = [*before.superseded, *(Superseded(path=path, superseded_at=now) for path in before.paths())]
    unneeded: dict[str, Superseded] = {}
    for each in listed:
        if each.path not in paths:
            unneeded.setdefault(each.path, each)
    stay = tuple(each for each in unneeded.values() if now - each.superseded_at < GRACE)
    return stay, [path for path in unneeded if path not in {each.path for each in stay}]


def leftovers(names: Iterable[str], known: Collection[str], *, now: datetime) -> list[str]:
    """Return the files of exports that were killed, once they are older than the grace.

    Args:
        names: the names at the place.
        known: the files that a manifest names.
        now: the instant of the export.
    """
    unknown = ((name, written_at(name)) for name in names if name not in known)
    return [name for name, began in unknown if began is not None and now - began >= GRACE]


def _is_as_before(partition: Partition, state: State, *, digest: str, sizes: Mapping[str, int]) -> bool:
    has_files = all(sizes.get(part.path) == part.bytes for part in partition.files)
    return has_files and partition.fingerprint == fingerprint_of(state, digest)


def _date(day: str | None) -> date | None:
    return date.fromisoformat(day) if day else None


def _text(day: date | None) -> str | None:
    return day.isoformat() if day else None

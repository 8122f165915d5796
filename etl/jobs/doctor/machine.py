"""Checks this machine: the origin of the settings, the rights on database files, and the free disk space."""

import shutil
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from etl.database.engines import engine_of
from etl.database.url import parse_database_url
from etl.error_codes import Code
from etl.errors import UnavailableError
from etl.jobs.doctor.finding import Finding, warning
from etl.settings.load import Configuration, Settings

GIB = 1 << 30
LOW_SPACE_BYTES = GIB
"""A run of a hundred thousand tasks needs some hundred megabytes with its archive."""
MIN_SPACE_BYTES = GIB // 20


def examine_settings(configuration: Configuration) -> Iterator[Finding]:
    """Count the settings by origin; `task-audit config show` shows each."""
    origins = Counter(row.place for row in configuration.rows())
    places = ", ".join(f"{number} from {place}" for place, number in origins.items())
    yield Finding(subject="settings", said=f"{places}.")


def examine_disk(configuration: Configuration) -> Iterator[Finding]:
    """Check the free space in all folders that a run writes to.

    Raises:
        UnavailableError: the space is too small for any run.
    """
    for folder in sorted(_folders(configuration)):
        free = shutil.disk_usage(folder).free
        message = f"{free / GIB:,.1f} GiB are free in {folder}."
        if free < MIN_SPACE_BYTES:
            raise UnavailableError(message, code=Code.DISK_FULL, remedy="Free some space, or configure another folder.")
        yield (
            warning("disk", message, remedy="Free some space.")
            if free < LOW_SPACE_BYTES
            else Finding(subject="disk", said=message)
        )


def examine_database_files(configuration: Configuration) -> Iterator[Finding]:
    """Check whether all users of this machine can read or change a database file, which holds KooDrive's answers.

    The job creates such files for its own user only; a file that an older version has created keeps its mode.
    """
    for file in _database_files(configuration.settings):
        if not file.exists() or not _can_be_reached(file):
            continue
        mode = file.stat().st_mode
        verbs = " and ".join(verb for bit, verb in ((stat.S_IROTH, "read"), (stat.S_IWOTH, "change")) if mode & bit)
        if verbs:
            remedy = f"chmod 600 {file}; if a group may read it, chmod 640."
            yield warning("database files", f"All users of this machine can {verbs} {file}.", remedy=remedy)


def _can_be_reached(file: Path) -> bool:
    """Return whether all users may enter each folder on the way to a file."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in file.resolve().parents)


def _database_files(settings: Settings) -> list[Path]:
    urls = map(parse_database_url, (settings.source.url, settings.warehouse.url))
    return list(dict.fromkeys(Path(url.database) for url in urls if engine_of(url).is_file and url.database))


def _folders(configuration: Configuration) -> set[Path]:
    settings = configuration.settings
    folders = [file.parent for file in _database_files(settings)]
    if settings.archive.location and "://" not in settings.archive.location:
        folders.append(Path(settings.archive.location))
    if settings.telemetry.metrics_textfile:
        folders.append(settings.telemetry.metrics_textfile.parent)
    if settings.warehouse.read_copy:
        folders.append(settings.warehouse.read_copy.parent)
    return {_existing(folder.absolute()) for folder in folders}


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())

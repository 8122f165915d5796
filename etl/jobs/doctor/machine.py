"""Checks this machine: the origin of the settings, the rights of secret files, and the free disk space."""

import shutil
import stat
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import SecretStr

from etl.database.engines import engine_of
from etl.database.url import parse_database_url
from etl.error_codes import Code
from etl.errors import ConfigurationError, UnavailableError
from etl.jobs.doctor.finding import Finding, warning
from etl.settings.load import Configuration
from etl.settings.model import Section

GIB = 1 << 30
LOW_SPACE_BYTES = GIB
"""A run of a hundred thousand tasks needs some hundred megabytes with its archive."""
PUBLIC_FILES = {"ca_file", "client_certificate_file"}
"""Keys of files that hold no secret."""
MIN_SPACE_BYTES = GIB // 20


def examine_settings(configuration: Configuration) -> Iterator[Finding]:
    """Count the settings by origin; `task-audit config show` shows each."""
    origins = Counter(row.place for row in configuration.rows())
    places = ", ".join(f"{number} from {place}" for place, number in origins.items())
    yield Finding(subject="settings", said=f"{places}.")


def examine_secrets(configuration: Configuration) -> Iterator[Finding]:
    """Check whether other users can read the files with secrets."""
    files = list(_secret_files(configuration))
    for file in files:
        try:
            mode = file.stat().st_mode
        except OSError as error:
            raise ConfigurationError(
                f"The secret file {file} cannot be read: {error.strerror}.",
                code=Code.SECRET_UNREADABLE,
                remedy="Check its name and its permissions.",
            ) from None
        if mode & stat.S_IROTH:
            yield warning("secrets", f"All users of this machine can read {file}.", remedy=f"chmod o-r {file}")
    yield Finding(subject="secrets", said=f"{len(files)} files were checked.")


def _secret_files(configuration: Configuration) -> Iterator[Path]:
    for name in type(configuration.settings).model_fields:
        section: Section = getattr(configuration.settings, name)
        for key in type(section).model_fields:
            value = getattr(section, key)
            if key.endswith("_file") and isinstance(value, Path) and key not in PUBLIC_FILES:
                yield value
    if (file := configuration.file) and _holds_secrets(configuration):
        yield file


def _holds_secrets(configuration: Configuration) -> bool:
    """Return whether the configuration file itself contains a secret."""
    written = configuration.layers[0].values
    for name, values in written.items():
        section = getattr(configuration.settings, name, None)
        for key in values if isinstance(values, Mapping) else ():
            value = getattr(section, key, None)
            if isinstance(value, SecretStr) and (key != "url" or parse_database_url(value).password):
                return True
    return False


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


def _folders(configuration: Configuration) -> set[Path]:
    settings = configuration.settings
    urls = map(parse_database_url, (settings.source.url, settings.warehouse.url))
    files = [Path(url.database) for url in urls if engine_of(url).is_file and url.database]
    folders = [file.parent for file in files]
    if settings.archive.location and "://" not in settings.archive.location:
        folders.append(Path(settings.archive.location))
    if settings.telemetry.metrics_textfile:
        folders.append(settings.telemetry.metrics_textfile.parent)
    return {_existing(folder.absolute()) for folder in folders}


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())

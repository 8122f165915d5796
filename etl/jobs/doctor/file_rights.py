"""Checks which other users can read the files with secrets, or can change what the job reads.

The documented owners are root and the job's user, and a file may be readable for a group of the job. For root, which
inspects the files of another user, owners and groups mean nothing. A mounted Secret of Kubernetes is left out: its
rights hold inside one container, and its folder is always writable for all.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from etl.error_codes import Code
from etl.errors import ConfigurationError
from etl.jobs.doctor.finding import Finding, warning
from etl.settings.load import Configuration, Settings
from etl.settings.names import SECRETS_DIR_VARIABLE
from etl.settings.secret_values import secrets_in
from etl.settings.section import Section

PUBLIC_FILES = {"ca_file", "client_certificate_file"}
"""Keys of files that hold no secret."""

KUBERNETES_LINK = "..data"
"""The link by which Kubernetes replaces all files of a mount at once."""

ROOT = 0

READ, WRITE = "r", "w"


def examine_secrets(configuration: Configuration) -> Iterator[Finding]:
    """Check the rights of the files with secrets, of the configuration file, and of their folders."""
    files = list(dict.fromkeys(_secret_files(configuration)))
    others = [file for file in [configuration.file] if file and file not in files]
    checked = dict.fromkeys(files, READ + WRITE) | dict.fromkeys(others, WRITE)
    mounts = {file.parent for file in checked if (file.parent / KUBERNETES_LINK).is_symlink()}
    folders = dict.fromkeys(file.parent for file in checked)
    for path, rights in [*checked.items(), *((folder, WRITE) for folder in folders)]:
        if path not in mounts and path.parent not in mounts:
            yield from _examine(path, rights)
    message = f"{len(files):,} files were checked."
    if mounts:
        message += f" {', '.join(map(str, sorted(mounts)))}: a mount of Kubernetes, whose rights are those of its pod."
    yield Finding(subject="secrets", said=message)


def _secret_files(configuration: Configuration) -> Iterator[Path]:
    for name in type(configuration.settings).model_fields:
        section: Section = getattr(configuration.settings, name)
        for key in type(section).model_fields:
            value = getattr(section, key)
            if key.endswith("_file") and isinstance(value, Path) and key not in PUBLIC_FILES:
                yield value
    if folder := os.environ.get(SECRETS_DIR_VARIABLE):
        # The loader has read this folder, so it exists.
        yield from (file for file in sorted(Path(folder).iterdir()) if not file.name.startswith("."))
    if (file := configuration.file) and any(secrets_in(Settings, configuration.layers[0].values)):
        yield file


def _examine(path: Path, rights: str) -> Iterator[Finding]:
    """Report the users who have rights on a file or folder that only the job's user should have."""
    try:
        status = path.stat()
    except OSError as error:
        raise ConfigurationError(
            f"The secret file {path} cannot be read: {error.strerror}.",
            code=Code.SECRET_UNREADABLE,
            remedy="Check its name and its permissions.",
        ) from None
    # In a folder with this bit, such as /tmp, users can replace only their own files.
    is_shared = bool(status.st_mode & stat.S_ISVTX) and stat.S_ISDIR(status.st_mode)
    bits = {READ: (stat.S_IRGRP, stat.S_IROTH), WRITE: (stat.S_IWGRP, stat.S_IWOTH)}
    by_group = "".join(each for each in rights if status.st_mode & bits[each][0])
    by_others = "".join(each for each in rights if status.st_mode & bits[each][1])
    if by_others and not is_shared:
        message = f"All users of this machine can {_verbs(by_others)} {path}."
        yield warning("secrets", message, remedy=f"chmod o-{by_others} {path}")
    if by_group and not is_shared and not _is_ours(group=status.st_gid):
        message = f"The users of the group {status.st_gid} can {_verbs(by_group)} {path}."
        yield warning("secrets", message, remedy=f"chmod g-{by_group} {path}, or give it to the job's group.")
    if not _is_ours(owner=status.st_uid):
        message = f"The user {status.st_uid}, who is neither root nor the job's, owns and can change {path}."
        yield warning("secrets", message, remedy=f"chown it: the owner of {path} should be root or the job's user.")


def _verbs(rights: str) -> str:
    return " and ".join({READ: "read", WRITE: "change"}[right] for right in rights)


def _is_ours(*, owner: int = ROOT, group: int = ROOT) -> bool:
    """Return whether an owner and a group are root's or the job's; root knows no user of the job."""
    user = os.geteuid()
    return user == ROOT or (owner in {ROOT, user} and group in {ROOT, os.getegid(), *os.getgroups()})

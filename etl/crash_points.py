"""Crash points: named places at which a test kills the process, as kill -9 or the loss of power would.

With ``TASK_AUDIT_CRASH_AT=staged`` the process dies when it first passes the place, with ``staged:3`` the third time,
and with ``asking@1534087020903704704`` when it passes the place with that task. Without the variable, a place costs one
comparison.
"""

import os
import signal
from itertools import count

from etl.error_codes import Code
from etl.errors import ConfigurationError

VARIABLE = "TASK_AUDIT_CRASH_AT"

POINTS = (
    "started",
    "claiming",
    "claimed",
    "asking",
    "fetched",
    "staged",
    "committing",
    "committed",
    "settling",
    "settled",
    "finishing",
    "finished",
)
"""All places, in the order in which a run passes them. ``claiming``, ``staged``, ``committing`` and ``settling`` are
in a transaction, and the others between two."""

EXPORT_POINTS = ("exporting", "renaming", "exported", "published", "deleting")
"""All places of an export, in its order. ``renaming`` is passed once for each file in a folder, also of the archive."""

_name, _, _mark = os.environ.get(VARIABLE, "").partition("@")
_name, _, _nth = _name.partition(":")
_passes = count(1)


def crash_point(name: str, mark: str = "") -> None:
    """Kill the process if the variable names this place."""
    if name == _name and mark == (_mark or mark) and next(_passes) == int(_nth or 1):
        os.kill(os.getpid(), signal.SIGKILL)


def require_known_point() -> None:
    """Check the variable.

    Raises:
        ConfigurationError: the variable names no crash point.
    """
    if _name and (_name not in POINTS + EXPORT_POINTS or not (_nth or "1").isdigit()):
        raise ConfigurationError(
            f"{VARIABLE} names no crash point: {os.environ[VARIABLE]}.",
            code=Code.SETTING_WRONG,
            remedy=f"Unset it; it is for tests. The points are {', '.join(POINTS + EXPORT_POINTS)}.",
        )

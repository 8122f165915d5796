"""The clock of a machine that a test may set, for whole programs: libfaketime shows it to them."""

from datetime import timedelta
from pathlib import Path

import pytest

LIBRARY = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)


class MachineClock:
    """A clock that is right at first."""

    def __init__(self, folder):
        """Keep the difference to the right time in a file that every user may read."""
        if LIBRARY is None:
            pytest.skip("libfaketime is not installed")
        self._file = Path(folder) / "clock"
        self.set(timedelta())
        # As on a real machine, a step reaches all programs at once, and no step reaches a clock that only counts.
        self.environment = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        self.prefix = ["env", *(f"{name}={value}" for name, value in self.environment.items())]
        """Starts a program on this clock."""

    def set(self, ahead):
        """Set the clock ahead of the right time by this duration, or behind it."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{ahead.total_seconds():+.0f}\n", encoding="ascii")
        new.chmod(0o644)
        new.replace(self._file)

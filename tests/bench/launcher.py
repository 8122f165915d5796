"""Runs a command and writes what it used: ``launcher.py USAGE.json COMMAND...``.

The launcher is a small process, because the peak memory of a child includes that of its parent before the exec.
"""

import json
import os
import sys
import time
from pathlib import Path

BYTES_IN_MAXRSS = 1 if sys.platform == "darwin" else 1024
MIB = 1 << 20


def run(usage_file: str, *command: str) -> int:
    """Run the command to its end; returns its exit code."""
    started = time.perf_counter()
    child = os.posix_spawn(command[0], command, os.environ)
    _, status, usage = os.wait4(child, 0)
    cost = {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss * BYTES_IN_MAXRSS / MIB,
    }
    Path(usage_file).write_text(json.dumps(cost), encoding="utf-8")
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:]))

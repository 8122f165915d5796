"""Which processes hold a lock on an SQLite file; DuckDB reports them itself. It works on Linux only."""

import os
from pathlib import Path

LOCKS = Path("/proc/locks")
PROCESS, FILE = 4, 5
"""The fields of a line, counted without the arrow that marks a waiting process."""


def lock_holders_of(file: str) -> str:
    """Name the other processes that hold a lock on an SQLite file, for example "process 4711 (task-audit)".

    Source: proc_locks(5). A process that this one may not see is listed without its number, and left out here.
    """
    inodes = {path.stat().st_ino for path in map(Path, (file, f"{file}-wal", f"{file}-shm")) if path.exists()}
    processes = sorted(_holding(inodes) - {os.getpid(), 0, -1})
    return " and ".join(f"process {process} ({_name(process)})" for process in processes)


def _holding(inodes: set[int]) -> set[int]:
    try:
        lines = [line.replace("-> ", "").split() for line in LOCKS.read_text(encoding="ascii").splitlines()]
    except OSError:
        return set()
    return {int(line[PROCESS]) for line in lines if int(line[FILE].rpartition(":")[2]) in inodes}


def _name(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "gone"

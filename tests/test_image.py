"""The image is built of pinned parts, and its entry point works as the first process of a container."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from etl import __version__
from etl.fake_api import Behaviour
from tests.conftest import HAS_NAMESPACES
from tests.nights import TOKEN, task_ids

CHECKOUT = Path(__file__).parents[1]
DOCKERFILE = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8")
CONTAINER = """
set -e
mount --make-rprivate /
mount --bind "$SCRATCH" "$SCRATCH"
mount --bind "$CHECKOUT" "$CHECKOUT"
mount -o remount,bind,ro "$CHECKOUT"
mount -o remount,bind,ro /
cd "$SCRATCH"
exec unshare --user --map-user=10001 --map-group=10001 env --unset=HOME "$@"
"""
"""A container without an engine: the first process of its own PID namespace, on a file system that is read-only but for
one folder, as a user that no /etc/passwd knows, without capabilities and without a home."""


def locked(lock):
    """Return the names of the packages in a lock file."""
    lines = re.findall(r"^([^\s#][^\\\n]*?) \\$", (CHECKOUT / lock).read_text(encoding="utf-8"), re.MULTILINE)
    return {Requirement(line).name for line in lines}


def instructions(name):
    text = re.sub(r"\\\n", " ", DOCKERFILE)
    return re.findall(rf"^{name} (.+)$", text, re.MULTILINE)


def test_every_part_is_pinned_by_its_hash():
    first, *others = instructions("FROM")
    (installs, project) = [run for run in instructions("RUN") if "pip install" in run]
    of_locks = [step for step in installs.split("&&") if "pip install" in step]

    assert re.fullmatch(r"docker\.io/library/python:\S+@sha256:[0-9a-f]{64} AS python", first)
    assert others == ["python AS build", "python"]
    assert len(of_locks) == 2
    assert all("--require-hashes" in step and "--only-binary=:all:" in step for step in of_locks)
    assert "--no-build-isolation" in project
    assert project.count("--no-deps") == 2


def test_the_tools_of_the_build_are_not_in_the_image():
    tools, image = (locked(f"requirements-{name}.lock") for name in ("build", "image"))

    assert "hatchling" in tools
    # The program needs the version numbers of packaging, too.
    assert tools & image == {"packaging"}
    (copied,) = [line for line in instructions("COPY") if "--from" in line]
    assert "/opt/build" not in copied


def test_the_image_has_a_numbered_user_and_its_program_receives_the_signal():
    assert instructions("USER") == ["10001:10001"]
    assert instructions("STOPSIGNAL") == ["SIGTERM"]
    # A shell in between would be the first process, and would not pass the signal on.
    assert instructions("ENTRYPOINT") == ['["task-audit"]']


def test_only_what_is_copied_is_sent_to_the_builder():
    copied = {name for line in instructions("COPY") if "--from" not in line for name in line.split()[:-1]}
    sent = re.findall(r"^!(\S+)$", (CHECKOUT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)

    assert copied == set(sent)
    assert all((CHECKOUT / name).exists() for name in copied)


def test_the_lock_holds_what_the_program_names():
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]

    assert {canonicalize_name(Requirement(line).name) for line in named} <= locked("requirements-image.lock")


def test_the_bill_of_materials_lists_every_locked_package_with_hashes_licences_and_dependencies(tmp_path):
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    (options,) = re.findall(r"^BILL := (.+)$", makefile, re.MULTILINE)
    (recipe,) = re.findall(r"^sbom: [^\n]*\n\tmkdir -p build dist\n(.*?)\n\n", makefile, re.DOTALL | re.MULTILINE)
    # The schema that cyclonedx-py compares its own file with takes ten times as long as the file.
    for words, path in (("$(BILL)", f"{options} --no-validate"), ("$(BIN)", Path(sys.executable).parent)):
        recipe = recipe.replace(words, str(path))
    script = re.sub(r"\b(build|dist)/", f"{tmp_path}/", recipe)
    subprocess.run(["sh", "-e", "-c", script], cwd=CHECKOUT, check=True, capture_output=True)

    bill = json.loads((tmp_path / "sbom.cdx.json").read_text(encoding="utf-8"))
    assert bill["bomFormat"] == "CycloneDX"
    product = bill["metadata"]["component"]
    assert (product["name"], product["version"]) == ("koodrive-task-audit", __version__)
    *packages, image = bill["components"]
    assert {package["name"] for package in packages} == locked("requirements-image.lock")
    assert all(reference["hashes"] for package in packages for reference in package["externalReferences"])
    # The metadata of a few packages name no licence, and some are not for this platform.
    assert sum("licenses" in package for package in packages) > 0.9 * len(packages)
    (base,) = re.findall(r"^FROM (\S+) AS python$", DOCKERFILE, re.MULTILINE)
    assert f"{image['name']}:{image['version']}@sha256:{image['hashes'][0]['content']}" == base
    needs = {each["ref"]: each["dependsOn"] for each in bill["dependencies"]}
    references = {component["bom-ref"] for component in bill["components"]}
    assert needs.keys() == {product["bom-ref"], *references}
    assert references >= {each for needed in needs.values() for each in needed}
    assert any(each.startswith("pkg:pypi/polars@") for each in needs[product["bom-ref"]])


def in_a_container(folder, *command):
    """The command line that runs a command as in a container that may write to one folder."""
    environment = {
        "PATH": os.environ["PATH"],
        "CHECKOUT": str(CHECKOUT),
        "SCRATCH": str(folder),
        "TMPDIR": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    settings = {name: value for name, value in os.environ.items() if name.startswith("TASK_AUDIT_")}
    isolated = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child"]
    return {
        "args": [*isolated, "sh", "-c", CONTAINER, "sh", *map(str, command)],
        "env": {**environment, **settings},
        "text": True,
    }


@contextmanager
def container(folder, *arguments):
    """Start the program as the first process, and give it with the PID that it has outside."""
    started = subprocess.Popen(
        **in_a_container(folder, sys.executable, "-m", "etl", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


def first_process(started):
    """The PID of the container's first process, once it is Python."""
    children = Path(f"/proc/{started.pid}/task/{started.pid}/children")
    while started.poll() is None:
        for pid in children.read_text(encoding="utf-8").split():
            if b"etl" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1:4]:
                return int(pid)
        time.sleep(0.01)
    raise AssertionError(started.stderr.read())


def handles_sigterm(pid):
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    caught = int(re.search(r"^SigCgt:\s*(\w+)$", status, re.MULTILINE)[1], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


if HAS_NAMESPACES:

    def test_a_night_in_a_container(night_of, tmp_path):
        with night_of() as night:
            night.enqueue(*task_ids(30))
            done = subprocess.run(
                **in_a_container(tmp_path, sys.executable, "-m", "etl", "run", "--json"),
                capture_output=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout)["audited"] == 30
            assert len(night.facts()) == 30

    def test_sigterm_ends_a_run_cleanly(night_of, tmp_path):
        with night_of(Behaviour(token=TOKEN, latency_seconds=0.2)) as night:
            night.enqueue(*task_ids(2_000))
            with container(tmp_path, "run", "--json") as started:
                pid = first_process(started)
                while night.api.stats.requests < 20:
                    assert started.poll() is None, started.stderr.read()
                    time.sleep(0.01)
                os.kill(pid, signal.SIGTERM)
                stdout, stderr = started.communicate(timeout=30)
            run = json.loads(stdout)

            assert started.returncode == 75, stderr
            assert run["claimed"] == run["audited"] + run["released"]
            assert 0 < run["audited"] < 2_000
            assert set(night.states().values()) == {"pending", "done"}

    def test_sigterm_is_handled_before_anything_is_imported(tmp_path):
        with container(tmp_path, "fake-api") as started:
            pid = first_process(started)
            while not handles_sigterm(pid):
                assert started.poll() is None, started.stderr.read()
            os.kill(pid, signal.SIGTERM)
            started.communicate(timeout=30)

        assert started.returncode == 143

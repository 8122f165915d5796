"""The table of minimum versions is that of the project, and neither a lock file nor this environment is below it."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, version

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from etl.resources import resource

PAGE = resource("docs", "minimum-versions.md").read_text(encoding="utf-8")
LOCKS = ("requirements.lock", "requirements-image.lock", "requirements-dev.lock", "requirements-checkov.lock")


def floors(title):
    """What a table of the page says, with its reasons."""
    table = PAGE.split(f"## {title}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([a-z0-9-]+) \| ([0-9.]+) \| (.+) \|$", table, re.MULTILINE)
    return {name: (Version(floor), reason) for name, floor, reason in rows}


NAMED, BROUGHT = floors("Named by the job"), floors("Brought by others")


def named():
    project = tomllib.loads(resource("pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = (project["dependencies"], *project["optional-dependencies"].values())
    for requirement in (Requirement(line) for each in lists for line in each):
        (floor,) = [bound.version for bound in requirement.specifier if bound.operator == ">="]
        yield canonicalize_name(requirement.name), Version(floor)


def locked(lock):
    text = resource(lock).read_text(encoding="utf-8")
    return {name: Version(found) for name, found in re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", text, re.MULTILINE)}


def test_the_table_lists_what_the_project_names_with_the_same_floors():
    assert dict(named()) == {name: floor for name, (floor, _) in NAMED.items()}


def test_a_package_that_others_bring_is_there_for_a_hole_that_is_named():
    assert not set(BROUGHT) & set(NAMED)
    assert all("CVE-" in reason and "https://" in reason for _, reason in BROUGHT.values())
    assert set(BROUGHT) <= set(locked("requirements-dev.lock"))


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_is_below_the_floors(lock):
    found = locked(lock)
    assert len(found) > 20
    checked = {name: found[name] for name in {**NAMED, **BROUGHT} if name in found}
    assert checked
    below = {name for name, locked_version in checked.items() if locked_version < {**NAMED, **BROUGHT}[name][0]}
    assert below == set()


def test_what_is_installed_is_not_below_the_floors():
    for name, (floor, _) in {**NAMED, **BROUGHT}.items():
        try:
            assert Version(version(name)) >= floor, name
        except PackageNotFoundError:
            # An extra, or what it brings, that this environment has not.
            assert name not in dict(named()) or name in extras(), name


def extras():
    project = tomllib.loads(resource("pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {Requirement(line).name for each in project["optional-dependencies"].values() for line in each}

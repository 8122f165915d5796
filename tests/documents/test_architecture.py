"""The page on the architecture describes every folder of the package, and pages name only paths that exist."""

import re
from pathlib import Path

import pytest

from tests.documents.pages import ROOT, text_of

PAGE = text_of("docs/architecture.md")


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md", "docs/other-warehouses.md"])
def test_every_path_that_a_page_names_exists(page):
    paths = re.findall(r"`((?:etl|docs|sql|tests)/[a-z_/.]+)`", text_of(page))

    assert paths
    assert [path for path in paths if not ROOT.joinpath(path).exists()] == []


def test_every_folder_of_the_package_is_described():
    folders = [init.parent.name for init in ROOT.glob("etl/*/__init__.py")]

    assert [name for name in folders if f"`etl/{name}" not in PAGE] == []


def test_every_module_at_the_top_of_the_package_is_described():
    modules = [file.name for file in Path(ROOT, "etl").glob("*.py") if not file.name.startswith("__")]

    assert [name for name in modules if name not in PAGE] == []


def test_every_module_that_the_page_names_exists():
    modules = {file.name for file in Path(ROOT, "etl").rglob("*.py")}

    assert set(re.findall(r"`(\w+\.py)`", PAGE)) <= modules

"""The documents repeat words and lists of the code exactly."""

import re
import tomllib

import pytest

from etl import __version__
from etl.exit_codes import ExitCode
from etl.resources import resource
from etl.settings.load import Settings
from etl.settings.model import Section

README = resource("README.md").read_text(encoding="utf-8")


def settings_of(section):
    return {field.alias or name: field for name, field in section.model_fields.items()}


def sections():
    return {
        name: field.annotation for name, field in Settings.model_fields.items() if issubclass(field.annotation, Section)
    }


def reference(page):
    return resource("docs", "reference", page).read_text(encoding="utf-8")


def test_the_reference_lists_every_setting():
    expected = [f"{name}.{key}" for name, section in sections().items() for key in settings_of(section)]

    assert re.findall(r"^\| `([a-z0-9_.]+)` \|", reference("settings.md"), re.MULTILINE) == expected


def test_the_reference_describes_every_command():
    from etl.cli import COMMANDS

    assert set(re.findall(r"^## `task-audit ([a-z-]+)`", reference("commands.md"), re.MULTILINE)) == set(COMMANDS)


def test_the_readme_lists_every_exit_code_in_its_own_words():
    rows = re.findall(r"^\| (\d+) \| (.+) \| (yes|no) \|$", README, re.MULTILINE)

    assert rows == [(str(int(code)), code.meaning, "yes" if code.retry else "no") for code in ExitCode]


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 120


def test_the_readme_installs_the_wheel_of_this_version():
    assert f"dist/koodrive_task_audit-{__version__}-py3-none-any.whl[" in README


@pytest.mark.parametrize("file", ["local.toml", "production.toml"])
def test_an_example_configuration_is_valid(file, monkeypatch, tmp_path):
    from etl.settings.load import load_configuration

    load_configuration(resource("configs", file))


def test_the_production_example_shows_every_key():
    text = resource("configs", "production.toml").read_text(encoding="utf-8")
    shown = tomllib.loads(re.sub(r"^# ([a-z0-9_]+ = )", r"\1", text, flags=re.MULTILINE))

    assert {name: set(values) for name, values in shown.items()} == {
        name: set(settings_of(section)) for name, section in sections().items()
    }


def test_the_production_example_is_that_of_the_code():
    from etl.settings.write import PRODUCTION, configuration_file

    shown = resource("configs", "production.toml").read_text(encoding="utf-8")
    assert shown == configuration_file(PRODUCTION), "run `make example`"


def test_what_the_readme_links_to_exists():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if not link.startswith("http")]
    assert links
    for link in links:
        assert resource(*link.split("/")).exists(), link

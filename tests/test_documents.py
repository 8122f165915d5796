"""What the documents repeat from the code is what the code says."""

import re
import tomllib

import pytest

from etl.exit_codes import ExitCode
from etl.resources import resource
from etl.settings.load import Settings
from etl.settings.model import Section

README = resource("README.md").read_text(encoding="utf-8")

EXIT_CODES = {
    ExitCode.OK: ("everything due in the range was audited; tasks that FAILED on KooDrive are data, not errors", "-"),
    ExitCode.USAGE: ("wrong usage of the command line", "no"),
    ExitCode.DEAD_LETTERS: ("finished, but some tasks could not be audited and are dead letters", "look first"),
    ExitCode.UNAVAILABLE: ("the API, the pending database or the warehouse is unavailable", "yes, later"),
    ExitCode.BUG: ("a bug", "report it"),
    ExitCode.STOPPED: ("stopped early and cleanly; what is left is still pending", "yes"),
    ExitCode.CREDENTIALS: ("the API refuses the credentials", "after mending"),
    ExitCode.CONFIGURATION: ("the configuration is wrong", "after mending"),
}


def settings_of(section):
    return {field.alias or name: field for name, field in section.model_fields.items()}


def sections():
    return {
        name: field.annotation for name, field in Settings.model_fields.items() if issubclass(field.annotation, Section)
    }


def shown_default(field):
    default = field.default
    if hasattr(default, "get_secret_value"):
        default = default.get_secret_value()
    return "" if default is None else f"`{default}`"


def table_under(header):
    lines = README.split(header)[1].split("\n\n")[0].strip().splitlines()[1:]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]


def test_the_readme_lists_every_setting_with_its_default():
    expected = [
        (f"`{name}.{key}`", shown_default(field))
        for name, section in sections().items()
        for key, field in settings_of(section).items()
    ]

    assert table_under("| key | default |") == expected


def test_the_readme_lists_every_exit_code():
    assert table_under("| code | meaning | run again? |") == [
        (str(int(code)), *words) for code, words in EXIT_CODES.items()
    ]
    assert set(EXIT_CODES) == set(ExitCode)


def test_the_readme_names_every_command():
    from etl.cli import COMMANDS

    listed = set(re.findall(r"^\| `task-audit ([a-z-]+)", README, re.MULTILINE))
    assert listed == set(COMMANDS)


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


def test_sql_files_and_links_of_the_readme_exist():
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        if not link.startswith("http"):
            assert resource(*link.split("/")).exists(), link

"""The reference pages, the dbt package and the data contract are those that the present code makes."""

import re
import subprocess
import sys

import click

from etl.cli import cli
from tests.documents.pages import PAGES as ALL_PAGES
from tests.documents.pages import ROOT, text_of

SYNOPSES = re.findall(r"`(?:\$ )?task-audit ([^`]+)`", " ".join(" ".join(map(text_of, ALL_PAGES)).split()))
"""Commands named in sentences, with placeholders in them."""


def test_the_pages_are_those_of_the_code(tmp_path):
    # As `make reference`, the test uses a process of its own: click keeps state of commands that other tests have run.
    subprocess.run([sys.executable, "-m", "docs.generate", str(tmp_path)], check=True)
    made = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    for name in made:
        assert text_of(name) == (tmp_path / name).read_text(encoding="utf-8"), "run `make reference`"
    kept = {
        str(file.relative_to(ROOT)) for folder in ("dbt", "contract") for file in (ROOT / "sql" / folder).rglob("*")
    }
    assert {name for name in kept if (ROOT / name).is_file()} == {name for name in made if name.startswith("sql/")}


def test_a_command_named_in_a_sentence_is_one():
    assert SYNOPSES
    for synopsis in set(SYNOPSES):
        command, words = cli, synopsis.replace("\\|", "|").split()
        while isinstance(command, click.Group) and words and re.fullmatch("[a-z-]+", words[0]) and words[0][0] != "-":
            command = command.get_command(click.Context(command), words.pop(0))
            assert command, synopsis
        options = {option for parameter in (*command.params, *cli.params) for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", synopsis)) <= options | {"--help"}, synopsis


def test_the_picture_fetches_nothing():
    assert not re.search(r"url\((?!#)|href=|@import", text_of("docs/images/demo.svg"))

"""Reads the steps of a page as a reader types them: commands after ``$``, files with a title, and settings."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]

PAGES = ["README.md", "cron/README.md", *sorted(str(file.relative_to(ROOT)) for file in ROOT.glob("docs/**/*.md"))]

BLOCK = re.compile(r'^( *)```(\w+)(?: title="([^"]+)")?\n(.*?)^\1```$', re.MULTILINE | re.DOTALL)

COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n", re.MULTILINE)
"""A command reaches from a dollar to the end of the first line that does not end in a backslash."""

NOT_TYPED = {
    "make ": "continuous integration runs these",
    "python3 -m venv": "the tests run in such an environment",
    ". .venv/bin/activate": "the tests run in such an environment",
    "pip wheel": "tests/test_wheel.py builds one",
    "pip install": "the tests run in what it installs; tests/test_wheel.py tries a wheel",
    "/opt/task-audit/bin/pip install": "the tests run in what it installs",
    "useradd": "would change the machine",
    "install ": "needs the user that useradd creates; tests/cron/test_readme.py checks that the files exist",
    "task-audit config new --out production.toml": "the installation has that file; tests/cli/test_how_to.py types it",
    "systemctl": "needs a running systemd; tests/cron/test_systemd.py verifies the units",
    "claude mcp add": "needs Claude Code; tests/assistant starts the server as the files of other clients say",
    "uvx --from ./dist": "tests/releases/test_uvx.py types it",
    "sha256sum --check": "needs the files of a release; make release types it",
    "kubectl": "needs a cluster; tests/cron/test_kubernetes.py renders and validates the manifests",
    "(crontab": "would change the crontab of the tests' user; a test types the line that it adds",
}
"""The beginnings of commands that a test cannot type, each with the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A line to type, and the lines of its output that the page shows."""

    words: str
    shown: list[str] = field(default_factory=list)
    ends_with: int = 0

    @property
    def is_typed(self):
        return not self.words.startswith(tuple(NOT_TYPED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement to run in the warehouse."""

    text: str
    ends_with: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that the reader writes."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """Settings that the reader adds to the configuration."""

    text: str

    @property
    def settings(self):
        sections = tomllib.loads(self.text).items()
        return {f"{section}__{key}": value for section, keys in sections for key, value in keys.items()}


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def steps(text) -> Iterator[Command | Statement | File | Added]:
    """List the reader's steps in the order of the page."""
    for _, language, title, indented in BLOCK.findall(text):
        body = dedent(indented)
        if title:
            yield File(name=title, text=body)
        elif language == "toml":
            yield Added(text=body)
        elif language == "sql":
            yield Statement(text=body)
        elif language == "console":
            yield from commands(body)


def commands(body) -> Iterator[Command]:
    """Read a console block. A command ends with 0, unless the page then asks for its exit code and shows another."""
    before, *parts = COMMAND.split(body)
    assert not before, f"no dollar before {before!r}"
    typed = [(words, shown.splitlines()) for words, shown in zip(parts[::2], parts[1::2], strict=True)]
    for (words, shown), (after, code) in pairwise([*typed, ("", [])]):
        yield Command(words=words, shown=shown, ends_with=int(code[0]) if after == "echo $?" else 0)

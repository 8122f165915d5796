"""The pages as somebody reads them who types what stands there: commands after ``$``, files with a title, settings."""

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
"""From a dollar to the end of a line that does not end in a backslash."""

NOT_TYPED = {
    "make ": "what continuous integration does",
    "python3 -m venv": "the tests run in such an environment",
    ". .venv/bin/activate": "the same",
    "pip wheel": "tests/test_wheel.py builds one",
    "pip install": "the tests run in what it makes; tests/test_wheel.py tries a wheel",
    "/opt/task-audit/bin/pip install": "the same",
    "useradd": "would change the machine",
    "install ": "needs the user that useradd makes; tests/cron/test_readme.py sees that the files are there",
    "task-audit config new --out production.toml": "the installation has that file; tests/cli/test_how_to.py types it",
    "systemctl": "needs a running systemd; tests/cron/test_systemd.py has the units verified",
    "kubectl": "needs a cluster; tests/cron/test_kubernetes.py renders and validates the manifests",
    "(crontab": "would change the crontab of whoever runs the tests; the line that it adds is typed",
}
"""How commands begin that cannot be typed here, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A line to type, and what a page shows of what it prints."""

    words: str
    shown: list[str] = field(default_factory=list)
    ends_with: int = 0

    @property
    def is_typed(self):
        return not self.words.startswith(tuple(NOT_TYPED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """SQL to run in the warehouse."""

    text: str
    ends_with: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """What shall stand in a file of the reader's."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What shall stand in the configuration beside what stands there."""

    text: str

    @property
    def settings(self):
        sections = tomllib.loads(self.text).items()
        return {f"{section}__{key}": value for section, keys in sections for key, value in keys.items()}


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def steps(text) -> Iterator[Command | Statement | File | Added]:
    """List what a reader does, in the order of the page."""
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
    """Read a console block. A command ends with 0, unless the page asks for its exit code next, and shows another."""
    before, *parts = COMMAND.split(body)
    assert not before, f"no dollar before {before!r}"
    typed = [(words, shown.splitlines()) for words, shown in zip(parts[::2], parts[1::2], strict=True)]
    for (words, shown), (after, code) in pairwise([*typed, ("", [])]):
        yield Command(words=words, shown=shown, ends_with=int(code[0]) if after == "echo $?" else 0)

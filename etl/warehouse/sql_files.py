"""Reads the files of ``sql/views`` and ``sql/queries``: a head of comments, and one statement.

The head opens with a sentence. Each line ``-- :name ...`` after it declares a column of a view or a parameter of a
question.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from etl.resources import resource


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlFile:
    """A file of SQL."""

    name: str
    """The name of the view or question."""
    sentence: str
    declarations: Mapping[str, str]
    """The text after each declared name."""
    statement: str
    """The file without its head, in which SQLAlchemy would take ``:name`` for a parameter."""


def sql_files(folder: str, dialect: str) -> list[Path]:
    """List the files of a folder of ``sql``; an engine's own file replaces the common one."""
    common = resource("sql", folder)
    own = common / dialect
    return [own / file.name if (own / file.name).exists() else file for file in sorted(common.glob("*.sql"))]


def read_sql_file(file: Path) -> SqlFile:
    """Read one file."""
    lines = file.read_text(encoding="utf-8").splitlines()
    head = list(takewhile(lambda line: line.startswith("--"), lines))
    declared = (re.fullmatch(r"-- :(\w+) (.*)", line) for line in head)
    return SqlFile(
        name=file.stem,
        sentence=head[0].removeprefix("-- "),
        declarations={found[1]: found[2] for found in declared if found},
        statement="\n".join(lines[len(head) :]),
    )

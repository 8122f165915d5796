"""The views of the warehouse: their files, and what their columns mean."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from etl.database.comments import comment_on_view
from etl.database.engines import engine_of
from etl.resources import resource
from etl.warehouse.tables import METADATA


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewFile:
    """A file of ``sql/views``: a sentence, what columns of its own mean, and a SELECT."""

    name: str
    meaning: str
    own: Mapping[str, str]
    """What columns mean that no table has so."""
    select: str

    def meaning_of(self, column: str) -> str:
        """Say what a column means: as the file does, else as the first of its tables that has such a column.

        Raises:
            KeyError: nobody says.
        """
        if column in self.own:
            return self.own[column]
        for table in re.findall(r"(?:FROM|JOIN) (\w+) AS", self.select):
            if column in METADATA.tables[table].columns:
                return str(METADATA.tables[table].columns[column].comment)
        raise KeyError(column)


def view_files(dialect: str) -> list[Path]:
    """List the files of the views, one SELECT each; an engine's own file stands in for the common one."""
    folder = resource("sql", "views")
    own = folder / dialect
    return [own / file.name if (own / file.name).exists() else file for file in sorted(folder.glob("*.sql"))]


def read_view(file: Path) -> ViewFile:
    """Read a file of a view; columns of its own are explained at its head, a line each: ``-- :name Meaning.``."""
    first, *lines = file.read_text(encoding="utf-8").splitlines()
    own = {found[1]: found[2] for line in lines if (found := re.fullmatch(r"-- :(\w+) (.*)", line))}
    select = "\n".join(line for line in lines if not line.startswith("-- :"))
    return ViewFile(name=file.stem, meaning=first.removeprefix("-- "), own=own, select=select)


def create_views(connection: Connection) -> None:
    """Make all views anew, as the files have them."""
    # The common files explain the columns, for all engines.
    explained = {file.stem: read_view(file) for file in view_files("")}
    engine = engine_of(connection)
    for view in map(read_view, view_files(engine.name)):
        engine.create_view(connection, view.name, view.select)
        comment_on_view(connection, view.name, view.meaning, explained[view.name].meaning_of)

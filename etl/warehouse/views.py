"""The views of the warehouse, and the meaning of their columns."""

import re
from contextlib import suppress
from functools import partial

from sqlalchemy import Connection

from etl.database.comments import comment_on_view
from etl.database.engines import engine_of
from etl.warehouse.sql_files import SqlFile, read_sql_file, sql_files
from etl.warehouse.tables import METADATA


def read_views(dialect: str) -> list[SqlFile]:
    """Read the views for an engine; "common" reads the files that declare the columns."""
    return [read_sql_file(file) for file in sql_files("views", dialect)]


def meaning_of(view: SqlFile, column: str) -> str:
    """Return the meaning of a column: the view's declaration, else that of the first table or view with such a column.

    Raises:
        KeyError: neither the view nor what it reads declares the column.
    """
    if column in view.declarations:
        return view.declarations[column]
    views = {each.name: each for each in read_views("common")}
    for name in re.findall(r"(?:FROM|JOIN) (\w+) AS", view.statement):
        if name in views:
            with suppress(KeyError):
                return meaning_of(views[name], column)
        elif name in METADATA.tables and column in METADATA.tables[name].columns:
            return str(METADATA.tables[name].columns[column].comment)
    raise KeyError(column)


def create_views(connection: Connection) -> None:
    """Create or replace all views, with their comments."""
    engine = engine_of(connection)
    # Only the common files declare the columns.
    for view, common in zip(read_views(engine.name), read_views("common"), strict=True):
        engine.create_view(connection, view.name, view.statement)
        comment_on_view(connection, view.name, view.sentence, partial(meaning_of, common))

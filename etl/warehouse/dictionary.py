"""Describes the tables and views of the warehouse: what each is, and the meaning of each column."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Boolean, Column, Date, Double, Engine, Integer, Table, text

from etl.database.types import UtcDateTime
from etl.warehouse.tables import METADATA
from etl.warehouse.views import meaning_of, read_views

KINDS = {UtcDateTime: "time", Date: "date", Boolean: "yes or no", Integer: "integer", Double: "number"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedColumn:
    """A column of a table or view."""

    name: str
    meaning: str
    kind: str | None = None
    """What the values are; None for the column of a view, whose type depends on the engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table or a view."""

    name: str
    kind: Literal["table", "view"]
    meaning: str
    columns: tuple[DescribedColumn, ...]


def describe_table(table: Table) -> Relation:
    """Describe a table by its comments."""
    columns = tuple(
        DescribedColumn(name=str(column.name), meaning=str(column.comment), kind=_kind(column))
        for column in table.columns
    )
    return Relation(name=str(table.name), kind="table", meaning=str(table.comment), columns=columns)


def describe_tables() -> Iterator[Relation]:
    """Describe all tables of the warehouse."""
    return (describe_table(table) for table in METADATA.tables.values())


def describe_views(engine: Engine) -> Iterator[Relation]:
    """Describe all views of a warehouse, which lists their columns."""
    with engine.execution_options(read_only=True).connect() as connection:
        for view in read_views("common"):
            names = connection.execute(text(f"SELECT * FROM {view.name} WHERE 1 = 0")).keys()  # noqa: S608 - our own name
            columns = tuple(DescribedColumn(name=name, meaning=meaning_of(view, name)) for name in names)
            yield Relation(name=view.name, kind="view", meaning=view.sentence, columns=columns)


def _kind(column: Column[object]) -> str:
    kind = next((name for type_, name in KINDS.items() if isinstance(column.type, type_)), "text")
    if column.primary_key:
        return f"{kind}, key"
    return f"{kind} or null" if column.nullable else kind

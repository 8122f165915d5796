"""DDL that can be repeated, for engines that commit with every DDL statement.

An upgrade that broke off is repeated from the revision in which it broke off, so each operation leaves alone what it
finds. A revision that changes rows by SQL of its own must be repeatable by itself.
"""

from typing import Any

from alembic.ddl.impl import DefaultImpl
from sqlalchemy import Column, Connection, Index, Inspector, Table, TableClause, inspect


class IdempotentDdl(DefaultImpl):
    """Precedes Alembic's own class for a dialect among the bases of the class that replaces it."""

    def create_table(self, table: Table, **options: Any) -> None:
        """Create a table with its indexes, or the indexes that it lacks."""
        if not self._inspector().has_table(table.name, schema=table.schema):
            super().create_table(table, **options)
            return
        for index in table.indexes:
            self.create_index(index)

    def create_index(self, index: Index, **options: Any) -> None:
        """Create an index that is not there yet."""
        table: Any = index.table
        if index.name not in {found["name"] for found in self._inspector().get_indexes(table.name, table.schema)}:
            super().create_index(index, **options)

    def add_column(self, table_name: str, column: Column[Any], *, schema: Any = None, **options: Any) -> None:
        """Add a column that is not there yet."""
        if column.name not in self._columns(table_name, schema):
            super().add_column(table_name, column, schema=schema, **options)

    def drop_column(self, table_name: str, column: Column[Any], *, schema: str | None = None, **options: Any) -> None:
        """Drop a column that is still there."""
        if column.name in self._columns(table_name, schema):
            super().drop_column(table_name, column, schema=schema, **options)

    def drop_table(self, table: Table, **options: Any) -> None:
        """Drop a table that is still there."""
        super().drop_table(table, **(options | {"if_exists": True}))

    def bulk_insert(self, table: TableClause | Table, rows: list[dict[str, Any]], multiinsert: bool = True) -> None:  # noqa: ARG002, FBT001, FBT002 - Alembic's signature
        """Insert the rows whose keys are not there yet."""
        self._connected().execute(table.insert().prefix_with("IGNORE"), rows)

    def _columns(self, table_name: str, schema: Any) -> set[str]:
        return {found["name"] for found in self._inspector().get_columns(table_name, schema)}

    def _inspector(self) -> Inspector:
        return inspect(self._connected())

    def _connected(self) -> Connection:
        assert self.connection is not None  # noqa: S101 - revisions are run, never printed
        return self.connection

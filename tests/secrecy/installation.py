"""A folder in which the job runs, and a search for a known secret in everything that it prints and writes."""

import sqlite3
from contextlib import closing
from urllib.parse import quote

import duckdb
import polars as pl

from tests.canary import secret

TOKEN = f"Bearer {secret('token')}"
PASSWORD = quote(secret("password"), safe="")


class Installation:
    """A folder in which the job runs, with everything that it has printed and written there."""

    def __init__(self, task_audit, folder):
        self._task_audit = task_audit
        self.folder = folder
        self.printed = {}

    def run(self, *arguments):
        result = self._task_audit(*arguments)
        for name in ("stdout", "stderr"):
            self.printed[f"{name} of {' '.join(map(str, arguments))} ({len(self.printed)})"] = getattr(result, name)
        return result

    def places(self):
        files = {str(file): file.read_bytes() for file in self.folder.rglob("*") if file.is_file()}
        return self.printed | files | dict(self._cells())

    def _cells(self):
        """What is packed in a file, column by column."""
        for file in self.folder.rglob("*.parquet"):
            for column in pl.read_parquet(file).iter_columns():
                yield f"{file}: {column.name}", b"\n".join(_bytes(value) for value in column)
        with duckdb.connect(str(self.folder / "warehouse.duckdb")) as connection:
            yield from _columns(connection, "SELECT table_name FROM duckdb_tables() WHERE NOT internal")
        with closing(sqlite3.connect(self.folder / "pending.sqlite")) as connection:
            yield from _columns(connection, "SELECT name FROM sqlite_master WHERE type = 'table'")


def _columns(connection, tables):
    for (table,) in connection.execute(tables).fetchall():
        found = connection.execute(f"SELECT * FROM {table}")
        names, rows = [each[0] for each in found.description], found.fetchall()
        for number, name in enumerate(names):
            yield f"{table}.{name}", b"\n".join(_bytes(row[number]) for row in rows)


def _bytes(value):
    return value if isinstance(value, bytes) else str(value).encode()

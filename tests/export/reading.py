"""Readers of an export, as the how-to shows them: each follows the manifest, and none uses the program's code."""

import hashlib
import io
import json
from pathlib import Path

import duckdb
import polars as pl

ARROW = {
    "int64": pl.Int64(),
    "double": pl.Float64(),
    "bool": pl.Boolean(),
    "string": pl.String(),
    "date32[day]": pl.Date(),
    "timestamp[us, tz=UTC]": pl.Datetime("us", "UTC"),
}


def manifest_of(place):
    return json.loads(_bytes_of(place, "manifest.json"))


def files_of(entry):
    return [part["path"] for partition in entry["partitions"] for part in partition["files"]]


def checked(place, manifest=None):
    """Read all tables with polars, and check each file against the manifest: size, checksum, rows and types.

    A place is a folder, or a function that gives the bytes of a name.
    """
    manifest = manifest or manifest_of(place)
    tables = {}
    for entry in manifest["tables"]:
        schema = {column["name"]: ARROW[column["type"]] for column in entry["columns"]}
        frames = [pl.DataFrame(schema=schema)]
        for partition in entry["partitions"]:
            parts = [_checked_part(place, part, schema) for part in partition["files"]]
            assert sum(part.height for part in parts) == partition["rows"]
            if entry["partitioned_by"]:
                days = {day and day.isoformat() for part in parts for day in part[entry["partitioned_by"]].dt.date()}
                assert days == {partition["day"]}
            frames += parts
        tables[entry["name"]] = pl.concat(frames)
        assert tables[entry["name"]].height == entry["rows"]
    return tables


def _bytes_of(place, name):
    return place(name) if callable(place) else Path(place, name).read_bytes()


def _checked_part(place, part, schema):
    content = _bytes_of(place, part["path"])
    assert (len(content), hashlib.sha256(content).hexdigest()) == (part["bytes"], part["sha256"])
    rows = pl.read_parquet(io.BytesIO(content))
    assert rows.schema == schema
    assert rows.height == part["rows"]
    return rows


def in_duckdb(folder, entry):
    """Read a table with DuckDB; returns its rows, and the types of its columns."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        files = [str(Path(folder, path)) for path in files_of(entry)]
        # The manifest decides which files to read; the folders of days would add a column.
        found = connection.execute("FROM read_parquet($1, hive_partitioning = false)", [files])
        types = {name: str(kind) for name, kind, *_ in found.description}
        return [dict(zip(types, row, strict=True)) for row in found.fetchall()], types


def days_of(manifest):
    """Return what identifies the content of each day of each table."""
    return {
        (entry["name"], partition["day"]): (partition["rows"], [part["sha256"] for part in partition["files"]])
        for entry in manifest["tables"]
        for partition in entry["partitions"]
    }

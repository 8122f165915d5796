#!/usr/bin/env bash
# Two functions of polars, and a function and a reader of DuckDB, do not agree on a JSON object that has a name twice.
#
# Guess: each library takes the last value, as Python, PostgreSQL and most parsers do.
# Seen with polars 2.1.0: json_path_match takes the last, json_decode and read_ndjson take the first. Seen with duckdb
# 2.0.1 (and 1.5.6): the JSON functions take the first, read_json refuses the file. pyarrow 26.0.1 refuses it, too;
# orjson 3.13.0 takes the last.
# It would hurt: what a check sees in an answer is not what a later reader of the archived answer sees.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.1 polars==2.1.0 pyarrow==26.0.1 orjson==3.13.0
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import io
import json
import sqlite3

import duckdb
import orjson
import polars as pl
import pyarrow.json

TEXT = '{"code": "first", "code": "last"}'
with open("answers.ndjson", "w") as file:
    file.write(TEXT + "\n")


def outcome(read):
    try:
        return read()
    except (duckdb.Error, pyarrow.ArrowInvalid):
        return "refused"


series = pl.Series([TEXT])
seen = {
    "Python json": json.loads(TEXT)["code"],
    "orjson": orjson.loads(TEXT)["code"],
    "polars json_path_match": series.str.json_path_match("$.code").item(),
    "polars json_decode": series.str.json_decode(pl.Struct({"code": pl.String})).item()["code"],
    "polars read_ndjson": pl.read_ndjson("answers.ndjson")["code"].item(),
    "SQLite ->>": sqlite3.connect(":memory:").execute("select ? ->> 'code'", [TEXT]).fetchone()[0],
    "DuckDB ->>": duckdb.execute("select ?::json ->> 'code'", [TEXT]).fetchone()[0],
    "DuckDB read_json": outcome(lambda: duckdb.sql("select code from 'answers.ndjson'").fetchall()[0][0]),
    "pyarrow read_json": outcome(lambda: pyarrow.json.read_json(io.BytesIO(TEXT.encode()))["code"][0].as_py()),
}
for name, value in seen.items():
    print(f"{name:<24}{value}")
assert seen == {
    "Python json": "last",
    "orjson": "last",
    "polars json_path_match": "last",
    "polars json_decode": "first",
    "polars read_ndjson": "first",
    "SQLite ->>": "first",
    "DuckDB ->>": "first",
    "DuckDB read_json": "refused",
    "pyarrow read_json": "refused",
}, "a library behaves otherwise now"
PYTHON

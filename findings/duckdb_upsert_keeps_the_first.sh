#!/usr/bin/env bash
# DuckDB lets the first row of a key win if one INSERT ... ON CONFLICT DO UPDATE brings several.
#
# Guess: an error, as in PostgreSQL ("cannot affect row a second time"), or the last row, as in SQLite and MySQL.
# Seen with duckdb 1.5.6 and 2.0.1: no error, the first row stays, the count says one row, also if the update adds to
# the old value and if a WHERE would have let only a newer row win.
# It would hurt: a load that holds two states of one task writes the older one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.1
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import sqlite3

import duckdb

TABLE = "create table fact (id integer primary key, state integer)"
UPSERT = "insert into fact values (1, 10), (1, 20), (1, 30) on conflict (id) do update set state = {}"


def state_after(connection, upsert, *before):
    for statement in (TABLE, *before, upsert):
        count = connection.execute(statement)
    counted = count.fetchall() if isinstance(connection, duckdb.DuckDBPyConnection) else None
    return counted, connection.execute("select * from fact").fetchall()


last = UPSERT.format("excluded.state")
newer = last + " where excluded.state > fact.state"
seen = {
    "SQLite": state_after(sqlite3.connect(":memory:"), last)[1],
    "new key": state_after(duckdb.connect(), last),
    "known key": state_after(duckdb.connect(), last, "insert into fact values (1, 0)"),
    "sum": state_after(duckdb.connect(), UPSERT.format("fact.state + excluded.state"), "insert into fact values (1, 0)"),
    "only newer": state_after(duckdb.connect(), newer, "insert into fact values (1, 10)"),
}
for name, rows in seen.items():
    print(f"{name:<12}{rows}")
assert seen == {
    "SQLite": [(1, 30)],
    "new key": ([(1,)], [(1, 10)]),
    "known key": ([(1,)], [(1, 10)]),
    "sum": ([(1,)], [(1, 10)]),
    "only newer": ([(0,)], [(1, 10)]),
}, "DuckDB behaves otherwise now"
PYTHON

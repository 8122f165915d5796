#!/usr/bin/env bash
# DuckDB's MERGE and UPDATE FROM take any one of several source rows for a target row, and count the source rows.
#
# Guess: an error, as the SQL standard and PostgreSQL's MERGE have it, or one changed row in the count.
# Seen with duckdb 1.5.6 and 2.0.1: no error. A table of one row reports 5,000 changed rows. The winner is the first of
# 5 source rows, but neither the first nor the last of 2,048 or 5,000: it depends on the size of the source.
# It would hurt: a balance of rows loaded against rows changed does not add up, and the value that stays is chance.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.1
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import duckdb

MERGE = "merge into fact using source on fact.id = source.id when matched then update set state = source.state"
UPDATE = "update fact set state = source.state from source where fact.id = source.id"


def outcome(statement, rows):
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("create table fact (id integer primary key, state integer)")
    connection.execute("insert into fact values (1, -1)")
    connection.execute(f"create table source as select 1 as id, range as state from range({rows})")
    ((changed,),) = connection.execute(statement).fetchall()
    ((state,),) = connection.execute("select state from fact").fetchall()
    return changed, "first" if state == 0 else "last" if state == rows - 1 else "another"


for rows, winner in ((5, "first"), (2048, "another"), (5000, "another")):
    for statement in (MERGE, UPDATE):
        seen = outcome(statement, rows)
        print(f"{statement.split()[0]:<7} {rows:>5} source rows, 1 target row: {seen[0]} rows changed, {seen[1]} source row stays")
        assert seen == (rows, winner), "DuckDB behaves otherwise now"
PYTHON

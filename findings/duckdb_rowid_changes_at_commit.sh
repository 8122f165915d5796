#!/usr/bin/env bash
# The rowid of a row that a transaction has inserted is another one after its COMMIT.
#
# Guess: rowid is the position of a row, so that a rowid which a transaction has read of its own new row finds that row
# until something is deleted.
# Seen with DuckDB 1.5.6: new rows have rowids from 36028797018960000 on, in each transaction again, and ordinary ones
# after the COMMIT. A rowid that was kept finds nothing then, and no error says so.
# It would hurt: a loader that remembers where it has put a row, to correct it later, updates no row.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet duckdb==1.5.6
cat > look.py <<'PYTHON'
import duckdb

database = duckdb.connect("facts.duckdb")
database.execute("CREATE TABLE fact (task_id INTEGER)")
database.execute("INSERT INTO fact VALUES (1)")
database.execute("BEGIN")
database.execute("INSERT INTO fact VALUES (2)")
kept = database.execute("SELECT rowid FROM fact WHERE task_id = 2").fetchone()
print("before the commit:", *kept)
database.execute("COMMIT")
print("after it:", *database.execute("SELECT rowid FROM fact WHERE task_id = 2").fetchone())
print("rows with the rowid that was kept:", *database.execute("SELECT count(*) FROM fact WHERE rowid = ?", kept).fetchone())
PYTHON
venv/bin/python look.py | tee seen
printf '%s\n' 'before the commit: 36028797018960000' 'after it: 1' 'rows with the rowid that was kept: 0' > expected
if ! diff expected seen; then
    echo "DuckDB behaves otherwise now"
    exit 1
fi
echo "as described"

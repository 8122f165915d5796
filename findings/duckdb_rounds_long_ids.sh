#!/usr/bin/env bash
# One ID of twenty digits in a CSV file makes DuckDB read all IDs of the column as DOUBLE, and their last digits are lost.
#
# Guess: a column of whole numbers that do not fit into BIGINT becomes HUGEINT, which DuckDB has, or text.
# Seen with DuckDB 1.5.6: read_csv and read_json take the column for DOUBLE without a word, so that neighbouring IDs of
# nineteen digits, which alone were exact, become equal. Polars 2.1.0 takes the same files for Int128 and keeps each digit.
# It would hurt: a list of IDs loses its meaning by one ID that was typed with a digit too many.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet duckdb==1.5.6 polars==2.1.0
printf '%s\n' task_id 1534087020903704701 1534087020903704702 15340870209037047033 > ids.csv
printf '{"task_id": %s}\n' 1534087020903704701 1534087020903704702 15340870209037047033123 > ids.ndjson
cat > look.py <<'PYTHON'
import duckdb
import polars

for name, reader, read in [
    ("ids.csv", "read_csv", polars.read_csv),
    ("ids.ndjson", "read_json", polars.read_ndjson),
]:
    table = f"{reader}('{name}')"
    (kind,) = duckdb.sql(f"SELECT DISTINCT typeof(task_id) FROM {table}").fetchone()
    (number,) = duckdb.sql(f"SELECT count(DISTINCT task_id) FROM {table}").fetchone()
    print(f"{name}: DuckDB reads {kind}, {number} of 3 IDs;", end=" ")
    ids = read(name)["task_id"]
    print(f"polars reads {ids.dtype}, {ids.n_unique()} of 3")
PYTHON
venv/bin/python look.py | tee seen
cat > expected <<'TEXT'
ids.csv: DuckDB reads DOUBLE, 2 of 3 IDs; polars reads Int128, 3 of 3
ids.ndjson: DuckDB reads DOUBLE, 2 of 3 IDs; polars reads Int128, 3 of 3
TEXT
if ! diff expected seen; then
    echo "DuckDB or polars behaves otherwise now"
    exit 1
fi
echo "as described"

#!/usr/bin/env bash
# DuckDB keeps a temporary table that was made and dropped in one transaction until the COMMIT, in memory or on disk.
#
# Guess: DuckDB has no savepoints, so nothing can need a table again that its own transaction has made and dropped. Ten
# such tables, one after the other, take the room of one.
# Seen with DuckDB 1.5.6 on Linux, with memory_limit = '64MiB': after ten tables of 46 MiB each, memory and temporary folder
# hold 500 to 520 MiB if the ten were made in one transaction, 0 after its COMMIT, and 0 if each was made in its own.
# It would hurt: who reads a file in one transaction, and sorts parts of it in temporary tables, fills the disk.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==1.5.6
cat > "$folder/drop.py" <<'PYTHON'
import sys

import duckdb

TABLE = "CREATE TEMP TABLE part AS SELECT range AS a, hash(range) AS b, hash(range + 1) AS c FROM range(2_000_000)"
HELD = "SELECT sum(memory_usage_bytes + temporary_storage_bytes) FROM duckdb_memory()"


def held():
    return round(connection.execute(HELD).fetchone()[0] / 2**20)


file, is_one_transaction = sys.argv[1], sys.argv[2] == "one"
connection = duckdb.connect(file, config={"threads": 1, "memory_limit": "64MiB"})
if is_one_transaction:
    connection.execute("BEGIN")
for _ in range(10):
    connection.execute(TABLE)
    connection.execute("DROP TABLE part")
dropped = held()
if is_one_transaction:
    connection.execute("COMMIT")
print(dropped, held())
PYTHON
read -r one committed < <("$folder/venv/bin/python" "$folder/drop.py" "$folder/one.duckdb" one)
read -r ten _ < <("$folder/venv/bin/python" "$folder/drop.py" "$folder/ten.duckdb" ten)
echo "ten dropped tables in one transaction: $one MiB are held, and $committed after its COMMIT"
echo "ten dropped tables in ten transactions: $ten MiB are held"
if ((one < 400 || committed > 5 || ten > 5)); then
    echo 'DuckDB behaves otherwise now' >&2
    exit 1
fi

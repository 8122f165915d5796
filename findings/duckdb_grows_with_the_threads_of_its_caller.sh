#!/usr/bin/env bash
# The memory of one DuckDB connection depends on how many threads of the program have used it, one after the other.
#
# Guess: with threads = 1 a connection does its work in one place, so that it takes the same memory whether one thread of
# the program calls it or six do so in turn. Guess: duckdb_memory() lists what it takes.
# Seen with DuckDB 1.5.6 on Linux: 60 transactions of 5,000 rows, each a temporary table and an upsert, leave a process with
# 70 to 80 MiB if one thread of the program has called them, and with 100 to 115 if six have. The work runs in the thread
# that calls, and its allocator keeps free memory for each of them. duckdb_memory() lists 33 MiB both times, so that no
# memory_limit counts the difference; to close the file returns it.
# It would hurt: asyncio.to_thread, and every server with a pool of threads, hands calls to any thread.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==1.5.6
cat > "$folder/load.py" <<'PYTHON'
import json
import sys
from concurrent.futures import ThreadPoolExecutor

import duckdb

STAGE = """CREATE TEMP TABLE stage AS SELECT row[1] AS id, row[2] AS name, CAST(row[3] AS TIMESTAMP) AS seen
FROM (SELECT from_json(unnest(CAST($1 AS JSON[])), '["VARCHAR"]') AS row)"""
UPSERT = """INSERT INTO fact SELECT stage.* FROM stage LEFT JOIN fact ON fact.id = stage.id ORDER BY stage.id
ON CONFLICT (id) DO UPDATE SET name = excluded.name, seen = excluded.seen"""


def mib():
    with open("/proc/self/status") as status:
        fields = dict(line.split(":", 1) for line in status)
    return int(fields["RssAnon"].split()[0]) / 1024


def load(connection, start):
    numbers = range(start, start + 5_000)
    rows = [[str(10**18 + 977 * number), f"name of task {number}", "2026-11-30 00:00:00"] for number in numbers]
    for statement in ("BEGIN", STAGE, UPSERT, "DROP TABLE stage", "COMMIT"):
        connection.execute(statement, [json.dumps(rows)] if statement is STAGE else None)


callers = [ThreadPoolExecutor(1) for _ in range(int(sys.argv[1]))]
connection = duckdb.connect(sys.argv[2], config={"threads": 1})
connection.execute("CREATE TABLE fact (id VARCHAR PRIMARY KEY, name VARCHAR, seen TIMESTAMP)")
for number in range(60):
    callers[number % len(callers)].submit(load, connection, 5_000 * number).result()
listed = sum(size for (size,) in connection.execute("SELECT memory_usage_bytes FROM duckdb_memory()").fetchall())
before = mib()
connection.close()
print(round(before), round(listed / 2**20), round(mib()))
PYTHON
read -r one listed_one closed_one < <("$folder/venv/bin/python" "$folder/load.py" 1 "$folder/one.duckdb")
read -r six listed_six closed_six < <("$folder/venv/bin/python" "$folder/load.py" 6 "$folder/six.duckdb")
echo "called by one thread: $one MiB, of which DuckDB lists $listed_one; closed: $closed_one"
echo "called by six threads: $six MiB, of which DuckDB lists $listed_six; closed: $closed_six"
if ((six < one + 15 || listed_six > listed_one + 5 || closed_six > six - 50)); then
    echo 'DuckDB behaves otherwise now' >&2
    exit 1
fi

#!/usr/bin/env bash
# DuckDB counts the bytes of cached blocks against memory_limit, and a file of small blocks takes a third more than that.
#
# Guess: memory_limit bounds what the cache of a file takes, but for a few MiB, whatever the block size of the file.
# Seen with DuckDB 1.5.6 on Linux: a scan of a table that is larger than memory_limit = '128MiB' leaves the process 133 to
# 138 MiB larger if the blocks of the file have 256 KiB, which is the default, and 170 to 177 MiB larger if they have
# 16 KiB. duckdb_memory() lists 128 MiB both times.
# It would hurt: small blocks make small files, and a container is ended by what its process takes, not by what is listed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==1.5.6
cat > "$folder/fill.py" <<'PYTHON'
import sys

import duckdb

file, size = sys.argv[1:]
connection = duckdb.connect(config={"threads": 1})
connection.execute(f"ATTACH '{file}' AS filled (BLOCK_SIZE {size})")
connection.execute("CREATE TABLE filled.t AS SELECT hash(range) AS a, hash(range + 1) AS b FROM range(12_000_000)")
PYTHON
cat > "$folder/scan.py" <<'PYTHON'
import sys

import duckdb


def mib():
    with open("/proc/self/status") as status:
        fields = dict(line.split(":", 1) for line in status)
    return int(fields["RssAnon"].split()[0]) / 1024


before = mib()
connection = duckdb.connect(sys.argv[1], read_only=True, config={"threads": 1, "memory_limit": "128MiB"})
connection.execute("SELECT sum(a % 7), sum(b % 7) FROM t").fetchall()
grown = mib() - before
listed = sum(size for (size,) in connection.execute("SELECT memory_usage_bytes FROM duckdb_memory()").fetchall())
print(round(grown), round(listed / 2**20))
PYTHON
for size in 16384 262144; do
    "$folder/venv/bin/python" "$folder/fill.py" "$folder/$size.duckdb" "$size"
done
read -r small listed_small < <("$folder/venv/bin/python" "$folder/scan.py" "$folder/16384.duckdb")
read -r default listed_default < <("$folder/venv/bin/python" "$folder/scan.py" "$folder/262144.duckdb")
echo "blocks of 16 KiB: the process grew by $small MiB, of which DuckDB lists $listed_small"
echo "blocks of 256 KiB: the process grew by $default MiB, of which DuckDB lists $listed_default"
if ((listed_small > 129 || listed_default > 129 || default > 145 || small < default + 30)); then
    echo 'DuckDB behaves otherwise now' >&2
    exit 1
fi

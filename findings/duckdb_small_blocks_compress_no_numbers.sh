#!/usr/bin/env bash
# DuckDB packs no 64-bit numbers and times into blocks of 16 or 32 KiB: the smallest blocks make the largest file.
#
# Guess: a column is compressed in the same way whatever the size of the file's blocks, and small blocks waste less.
# Seen with DuckDB 1.5.6 on Linux: a BIGINT and a TIMESTAMP that count up are BitPacking in blocks of 64 KiB or more,
# and Uncompressed in blocks of 16 or 32 KiB; a DOUBLE with one decimal is ALP in blocks of 256 KiB alone, as DuckDB's
# pull request 19197 says. Two million rows take 46 MiB in blocks of 16 KiB, 15 in blocks of 64 KiB, and 5 in blocks
# of 256 KiB. Nothing warns of it.
# It would hurt: small blocks are chosen for small files and little memory, and each of the many blocks takes both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==1.5.6
cat > "$folder/fill.py" <<'PYTHON'
import os
import sys

import duckdb

file, size = sys.argv[1:]
connection = duckdb.connect(config={"threads": 1})
connection.execute(f"ATTACH '{file}' AS filled (BLOCK_SIZE {size})")
connection.execute(
    "CREATE TABLE filled.t AS SELECT range AS number,"
    " make_timestamp(1_700_000_000_000_000 + range * 1_000_000) AS moment,"
    " (range * 7919 % 1_000_003 / 10)::DOUBLE AS amount FROM range(2_000_000)"
)
connection.execute("USE filled")
compressions = connection.execute(
    "SELECT DISTINCT column_name || ' ' || compression FROM pragma_storage_info('t')"
    " WHERE segment_type <> 'VALIDITY' ORDER BY ALL"
).fetchall()
connection.execute("USE memory")
connection.execute("DETACH filled")
print(f"{int(size) // 1024} KiB: {', '.join(name for (name,) in compressions)}, {os.path.getsize(file) // 2**20} MiB")
PYTHON
for size in 16384 32768 65536 262144; do
    "$folder/venv/bin/python" "$folder/fill.py" "$folder/$size.duckdb" "$size"
done | tee "$folder/seen"
diff - <(sed 's/, [0-9]* MiB$//' "$folder/seen") <<'SEEN' || { echo 'DuckDB behaves otherwise now' >&2; exit 1; }
16 KiB: amount Uncompressed, moment Uncompressed, number Uncompressed
32 KiB: amount Uncompressed, moment Uncompressed, number Uncompressed
64 KiB: amount Uncompressed, moment BitPacking, number BitPacking
256 KiB: amount ALP, moment BitPacking, number BitPacking
SEEN

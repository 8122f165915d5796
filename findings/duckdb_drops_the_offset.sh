#!/usr/bin/env bash
# DuckDB drops the offset of a text that it casts to TIMESTAMP; versions before 1.2 or so converted it to UTC.
#
# Guess: the text is converted to UTC as it always was in DuckDB, or the cast is refused.
# Seen with duckdb 1.1.3: 2026-11-01T00:00:00+08:00 is 2026-10-31 16:00. Seen with 1.5.6 and 2.0.1: it is 2026-11-01
# 00:00; with 2.0.1 the same holds for the name of a zone, which 1.5.6 refuses. The cast through TIMESTAMPTZ still
# converts.
# It would hurt: after an upgrade the same query gives the same rows with times that are eight hours off.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --target "$folder/old" duckdb==1.1.3
"$folder/venv/bin/pip" install --quiet --target "$folder/new" duckdb==2.0.1
cd "$folder"
cat > query.py <<'PYTHON'
import duckdb
text = "2026-11-01T00:00:00+08:00"
duckdb.execute("set timezone = 'UTC'")
query = "select ?::timestamp::varchar, ?::timestamptz::timestamp::varchar"
print(*duckdb.execute(query, [text, text]).fetchone(), sep=" | ")
PYTHON
old=$(PYTHONPATH=old venv/bin/python query.py)
new=$(PYTHONPATH=new venv/bin/python query.py)
printf 'old: %s\nnew: %s\n' "$old" "$new"
if [ "$old" != '2026-10-31 16:00:00 | 2026-10-31 16:00:00' ] || [ "$new" != '2026-11-01 00:00:00 | 2026-10-31 16:00:00' ]; then
    echo 'DuckDB behaves otherwise now' >&2
    exit 1
fi

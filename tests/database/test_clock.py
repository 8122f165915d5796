"""The clock of a run."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from etl.database import clock as clock_module
from etl.database.clock import clock_of, system_clock
from etl.database.engine import open_engine
from tests.conftest import MYSQL


def test_a_file_has_no_clock(tmp_path):
    engine = open_engine(SecretStr(f"sqlite:///{tmp_path}/x.sqlite"), name="the pending database", create=True)

    assert clock_of(engine) is system_clock
    assert system_clock().tzinfo is UTC


@pytest.mark.parametrize("hours", [-7, 0, 30])
@pytest.mark.parametrize("queue_url", ["postgresql", *MYSQL], indirect=True)
def test_a_server_s_clock_counts_wherever_the_run_is(queue_url, monkeypatch, hours):
    engine = open_engine(queue_url, name="the pending database")
    monkeypatch.setattr(clock_module, "system_clock", lambda: datetime.now(UTC) + timedelta(hours=hours))

    told = clock_of(engine)()

    with engine.connect() as connection:
        servers = connection.scalar(clock_module.SERVER_TIME[engine.dialect.name])
    engine.dispose()
    assert abs(servers - told) < timedelta(seconds=10)
    assert told.tzinfo is UTC

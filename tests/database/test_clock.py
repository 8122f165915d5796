"""The clock of a run."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from etl.database import clock as clock_module
from etl.database.clock import ServerClock, clock_of, server_now, system_clock
from etl.database.connections import open_engine
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

    shown = clock_of(engine)()

    with engine.connect() as connection:
        servers = connection.scalar(select(server_now(engine)))
    engine.dispose()
    assert abs(servers - shown) < timedelta(seconds=10)
    assert shown.tzinfo is UTC


NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def shown_after(seconds):
    return NOON + timedelta(seconds=seconds)


def test_every_reading_narrows_the_bounds_of_a_server_s_clock():
    clock = ServerClock()
    # At 100 on this clock it is noon on the server's; the delay is in the request once, and in the answer once.
    clock.note(100.0, shown_after(0.9), 101.0)
    assert clock.at(NOON) == pytest.approx(99.6)
    clock.note(102.0, shown_after(2.1), 103.0)

    assert clock.at(NOON) == pytest.approx(100.0)


def test_a_clock_that_was_set_is_believed_at_once():
    clock = ServerClock()
    clock.note(100.0, NOON, 100.01)
    clock.note(200.0, shown_after(3600 + 100), 200.02)

    assert clock.at(shown_after(3600)) == pytest.approx(100.01)


@pytest.mark.parametrize("queue_url", ["sqlite", "postgresql", *MYSQL], indirect=True)
def test_every_engine_shows_the_time(queue_url):
    engine = open_engine(queue_url, name="the pending database", create=True)
    with engine.connect() as connection:
        shown = connection.scalar(select(server_now(engine)))
    engine.dispose()

    assert abs(shown - datetime.now(UTC)) < timedelta(seconds=10)

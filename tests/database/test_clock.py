"""The clock of a run."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from etl.database import clock as clock_module
from etl.database.clock import FileClock, RunClock, ServerClock, clock_of, server_now, system_clock
from etl.database.connections import open_engine
from tests.conftest import MYSQL


def test_a_file_has_no_clock(tmp_path):
    engine = open_engine(SecretStr(f"sqlite:///{tmp_path}/x.sqlite"), name="the pending database", create=True)

    shown = clock_of(engine)()
    assert abs(system_clock() - shown) < timedelta(seconds=10)
    assert system_clock().tzinfo is shown.tzinfo is UTC


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
    assert (clock.earliest(NOON), clock.latest(NOON)) == pytest.approx((99.1, 100.1))
    clock.note(102.0, shown_after(2.1), 103.0)

    assert (clock.earliest(NOON), clock.latest(NOON)) == pytest.approx((99.9, 100.1))


def test_a_clock_that_was_set_is_believed_at_once():
    clock = ServerClock()
    clock.note(100.0, NOON, 100.01)
    clock.note(200.0, shown_after(3600 + 100), 200.02)

    an_hour_later = shown_after(3600)
    assert (clock.earliest(an_hour_later), clock.latest(an_hour_later)) == pytest.approx((100.0, 100.02))


@pytest.mark.parametrize("queue_url", ["sqlite", "postgresql", *MYSQL], indirect=True)
def test_every_engine_shows_the_time(queue_url):
    engine = open_engine(queue_url, name="the pending database", create=True)
    with engine.connect() as connection:
        shown = connection.scalar(select(server_now(engine)))
    engine.dispose()

    assert abs(shown - datetime.now(UTC)) < timedelta(seconds=10)


class Machine:
    """A server's time and this machine's steady seconds, both set by the test."""

    def __init__(self):
        self.server = NOON
        self.seconds = 0.0

    def clock(self):
        return RunClock(lambda: self.server, steady=lambda: self.seconds)

    def wait(self, seconds):
        self.seconds += seconds
        self.server += timedelta(seconds=seconds)


def test_a_step_of_this_machine_s_time_changes_nothing_within_a_run(monkeypatch):
    clock = FileClock()
    before = clock()
    monkeypatch.setattr(clock_module, "system_clock", lambda: datetime.now(UTC) - timedelta(hours=1))
    clock.renew()
    assert timedelta() <= clock() - before < timedelta(seconds=30)


def test_a_renewal_follows_the_server_s_clock():
    machine = Machine()
    clock = machine.clock()
    machine.wait(60)
    assert clock() == shown_after(60)
    machine.server = shown_after(3_600)
    assert clock() == shown_after(60)
    clock.renew()
    assert clock() == shown_after(3_600)


def test_a_step_back_of_the_server_s_clock_makes_no_duration_negative():
    machine = Machine()
    clock = machine.clock()
    machine.wait(60)
    began_at = clock()
    machine.server = shown_after(-3_600)
    clock.renew()
    machine.wait(60)
    assert clock() == began_at
    machine.wait(3_600)
    assert clock() == shown_after(60)
    machine.wait(30)
    assert clock() == shown_after(90)

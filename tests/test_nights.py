"""A night lasts from 18:00 to 18:00 in its zone, and nights follow each other without gaps."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.times.night import Night, night_of

ZONES = ["UTC", "Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"]


@pytest.mark.parametrize(
    ("instant", "zone", "day"),
    [
        (datetime(2026, 11, 28, 17, 59, tzinfo=UTC), "UTC", date(2026, 11, 28)),
        (datetime(2026, 11, 28, 18, tzinfo=UTC), "UTC", date(2026, 11, 29)),
        (datetime(2026, 11, 29, 1, 15, tzinfo=UTC), "UTC", date(2026, 11, 29)),
        (datetime(2026, 11, 29, 17, 30, tzinfo=UTC), "Asia/Shanghai", date(2026, 11, 30)),
        (datetime(2026, 11, 29, 9, 59, tzinfo=UTC), "Asia/Shanghai", date(2026, 11, 29)),
    ],
)
def test_a_night_ends_at_six_in_the_evening_of_its_zone(instant, zone, day):
    assert night_of(instant, ZoneInfo(zone)).day == day


@given(minutes=st.integers(0, 50 * 366 * 24 * 60), zone=st.sampled_from(ZONES))
def test_every_instant_belongs_to_one_night(minutes, zone):
    instant = datetime(1990, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    night = night_of(instant, ZoneInfo(zone))
    assert night.start <= instant < night.end
    assert night.before(1).end == night.start
    assert timedelta(hours=22) < night.end - night.start < timedelta(hours=50)


def test_a_night_has_the_date_of_its_morning():
    assert str(Night(date(2026, 11, 9))) == "Night to 9 November 2026"

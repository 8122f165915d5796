"""One reader of dates and times: what each spelling means, and what is refused because it could mean two things."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.times import Span, UnreadableTimeError, instant_span, read_duration, read_instant, read_span

NOW = datetime(2026, 11, 29, 20, 30, tzinfo=UTC)
DAY = timedelta(days=1)
SPELLINGS = ["%Y-%m-%d", "%Y%m%d", "%G-W%V-%u", "%GW%V%u"]


def at(*parts):
    return datetime(*parts, tzinfo=UTC)


def span(written):
    read = read_span(written, now=NOW)
    return read.start, read.end


@given(st.dates(date(1000, 1, 2), date(9998, 12, 30)), st.sampled_from(SPELLINGS), st.sampled_from(["", "Z", " UTC"]))
def test_any_spelling_of_a_day_is_the_whole_day(day, spelling, zone):
    start = datetime.combine(day, datetime.min.time(), UTC)

    assert span(f"{day.strftime(spelling)}{zone}") == (start, start + DAY)
    assert read_instant(f"{day.strftime(spelling)}{zone}") == start


@given(
    st.dates(date(1000, 1, 2), date(9998, 12, 30)),
    st.sampled_from(SPELLINGS),
    st.integers(-15 * 60, 15 * 60),
    st.sampled_from(["", " "]),
)
def test_a_zone_shifts_the_day(day, spelling, minutes, blank):
    zone = timezone(timedelta(minutes=minutes))
    start = datetime.combine(day, datetime.min.time(), zone)
    offset = f"{start:%z}"

    assert span(f"{day.strftime(spelling)}{blank}{offset[:3]}:{offset[3:]}") == (start, start + DAY)


@given(st.datetimes(datetime(1000, 1, 2), datetime(9998, 12, 30)), st.sampled_from("T t"))  # noqa: DTZ001 - naive is UTC
def test_a_timestamp_is_an_instant(moment, separator):
    instant = moment.replace(tzinfo=UTC)

    for written in (moment.isoformat(separator), instant.isoformat(separator), f"{moment.isoformat(separator)}Z"):
        assert span(written) == (instant, instant)
        assert read_instant(written) == instant


@given(st.text(alphabet="0123456789-+:TWZ ./nowtdayeburf", max_size=25))
def test_any_text_is_read_or_refused(written):
    try:
        read = read_span(written, now=NOW)
    except UnreadableTimeError:
        return
    assert read.start.tzinfo is UTC
    assert read.end - read.start in {timedelta(), DAY}


@pytest.mark.parametrize(
    ("written", "start", "end"),
    [
        ("today", at(2026, 11, 29), at(2026, 11, 30)),
        ("Yesterday", at(2026, 11, 28), at(2026, 11, 29)),
        ("yesterday 12:00", at(2026, 11, 28, 12), at(2026, 11, 28, 12)),
        ("today +08:00", at(2026, 11, 29, 16), at(2026, 11, 30, 16)),
        ("yesterday 12:00 Asia/Shanghai", at(2026, 11, 29, 4), at(2026, 11, 29, 4)),
        ("now", NOW, NOW),
        ("14d before now", NOW - 14 * DAY, NOW - 14 * DAY),
        ("14d before today", at(2026, 11, 15), at(2026, 11, 16)),
        ("2h before today", at(2026, 11, 28, 22), at(2026, 11, 28, 22)),
        ("1d12h after 2026-11-01", at(2026, 11, 2, 12), at(2026, 11, 2, 12)),
        ("20261101T060000+0800", at(2026, 10, 31, 22), at(2026, 10, 31, 22)),
        ("2026-11-01 06:00:00+00", at(2026, 11, 1, 6), at(2026, 11, 1, 6)),
        ("1900-01-01T00:00:00+08:05:43", at(1899, 12, 31, 15, 54, 17), at(1899, 12, 31, 15, 54, 17)),
    ],
)
def test_words_distances_and_times(written, start, end):
    assert span(written) == (start, end)


def test_a_day_of_a_zone_has_the_hours_that_it_has_there():
    start, end = span("2026-10-25 Europe/Berlin")

    assert (start, end - start) == (datetime(2026, 10, 25, tzinfo=ZoneInfo("Europe/Berlin")), timedelta(hours=25))
    assert span("1d before 2026-10-26 Europe/Berlin") == (start, end)


def test_an_anchor_may_be_a_time_with_an_end():
    night = Span(start=at(2026, 11, 2, 18), end=at(2026, 11, 3, 18))
    anchors = {"last night": night}

    assert read_span("Last night", now=NOW, anchors=anchors) == night
    before = read_span("1d before last night", now=NOW, anchors=anchors)
    assert (before.start, before.end) == (night.start - DAY, night.end - DAY)


def test_a_distance_counts_from_another_time():
    since = at(2026, 11, 1)

    assert read_span("7d after since", now=NOW, anchors={"since": instant_span(since)}).start == since + 7 * DAY


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("11/01/2026", "write the year first"),
        ("1.11.2026", "write the year first"),
        ("01-11-26", "write the year first"),
        ("1730419200", "digits alone are YYYYMMDD"),
        ("1793657600000", "digits alone are YYYYMMDD"),
        ("2026305", "digits alone are YYYYMMDD"),
        ("46327.25", "digits alone are YYYYMMDD"),
        ("2026-305", "2026-11-01"),
        ("2026-1-1", "2026-11-01"),
        ("2026-11", "2026-11-01"),
        ("2026-W44", "2026-11-01"),
        ("2026-11-01_06:00", "2026-11-01"),
        ("2026-11-01 06", "2026-11-01"),
        ("2026-11-01-08", "2026-11-01"),
        ("20261101-0800", "2026-11-01"),
        ("2026-11-01 soon", "2026-11-01"),
        ("2026-11-01T24:00", "2026-11-01"),
        ("\uff12\uff10\uff12\uff16-11-01", "2026-11-01"),
        ("2026-11-01 Asia/Nowhere", "write the offset"),
        ("2026-11-01 Area/../etc", "2026-11-01"),
        ("2026-10-25 02:30 Europe/Berlin", "write the offset"),
        ("2026-03-29 02:30 Europe/Berlin", "write the offset"),
        ("14 before now", "duration"),
        ("1d before soon", "2026-11-01"),
        ("7d after since", "2026-11-01"),
        ("9999-12-31", "calendar"),
        ("99999d before now", "calendar"),
        ("", "2026-11-01"),
    ],
)
def test_a_doubtful_time_is_refused_with_an_example(written, hint):
    with pytest.raises(UnreadableTimeError, match=hint):
        read_span(written, now=at(200, 1, 1) if "99999d" in written else NOW)


@pytest.mark.parametrize("written", ["now", "today", "yesterday 12:00", "1d before now", "2026-02-29 12:00:00"])
def test_a_program_writes_no_words(written):
    with pytest.raises(UnreadableTimeError):
        read_instant(written)


def test_a_duration_is_positive():
    assert read_duration("1d2h3m4s") == timedelta(days=1, hours=2, minutes=3, seconds=4)
    for written in ("", "0s", "-1h", "2"):
        with pytest.raises(UnreadableTimeError):
            read_duration(written)


@pytest.mark.parametrize(
    ("written", "start", "end"),
    [
        # It is already the 30th in Shanghai.
        ("today", at(2026, 11, 29, 16), at(2026, 11, 30, 16)),
        ("2026-11-01", at(2026, 10, 31, 16), at(2026, 11, 1, 16)),
        ("yesterday 12:00", at(2026, 11, 29, 4), at(2026, 11, 29, 4)),
        ("2d before today", at(2026, 11, 27, 16), at(2026, 11, 28, 16)),
        ("today UTC", at(2026, 11, 29), at(2026, 11, 30)),
        ("2026-11-01T12:00Z", at(2026, 11, 1, 12), at(2026, 11, 1, 12)),
        ("1h before now", NOW - timedelta(hours=1), NOW - timedelta(hours=1)),
    ],
)
def test_the_zone_of_the_reader_holds_for_what_names_none(written, start, end):
    read = read_span(written, now=NOW, zone=ZoneInfo("Asia/Shanghai"))
    assert (read.start, read.end) == (start, end)

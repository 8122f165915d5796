"""Dates, durations, times of day and shards as users type them."""

from datetime import UTC, datetime, time, timedelta

import click
import pytest
from click.testing import CliRunner

from etl.cli.options import selection_options
from etl.cli.types import Duration, RangeBound, ShardOf, TimeOfDay, seconds_until
from etl.tasks import Shard


def at(*parts):
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "since", "until"),
    [
        ("2026-11-01", at(2026, 11, 1), at(2026, 11, 2)),
        ("2026-11-01T00:00:00", at(2026, 11, 1), at(2026, 11, 1)),
        ("2026-11-01T06:00:00Z", at(2026, 11, 1, 6), at(2026, 11, 1, 6)),
        ("2026-11-01T06:00:00+08:00", at(2026, 10, 31, 22), at(2026, 10, 31, 22)),
        ("2024-02-29", at(2024, 2, 29), at(2024, 3, 1)),
        ("2026-12-31", at(2026, 12, 31), at(2027, 1, 1)),
    ],
)
def test_a_plain_date_is_a_whole_day_and_a_timestamp_an_instant(typed, since, until):
    assert RangeBound(is_end=False).convert(typed, None, None) == since
    assert RangeBound(is_end=True).convert(typed, None, None) == until


def test_until_is_accepted_without_since():
    @click.command()
    @selection_options
    def command(*, until, **_others):
        click.echo(until.isoformat())

    assert CliRunner().invoke(command, ["--until", "2026-11-01"]).output == "2026-11-02T00:00:00+00:00\n"


@pytest.mark.parametrize("typed", ["soon", "2026-13-01", "2026-02-30", "", "01.11.2026"])
def test_a_text_that_is_no_date_is_refused(typed):
    with pytest.raises(click.BadParameter, match="is not a date"):
        RangeBound(is_end=False).convert(typed, None, None)


def test_the_last_day_of_the_calendar_is_refused_as_an_end():
    with pytest.raises(click.BadParameter, match="is not a date"):
        RangeBound(is_end=True).convert("9999-12-31", None, None)


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [("2h", 7200), ("90m", 5400), ("1h30m", 5400), ("45s", 45), ("600", 600), ("1d", 86_400), ("1d2h3m4s", 93_784)],
)
def test_a_duration(typed, seconds):
    assert Duration().convert(typed, None, None) == timedelta(seconds=seconds)


@pytest.mark.parametrize("typed", ["", "0", "0s", "-1h", "1.5h", "soon", "1h1h", "2 h", "9" * 30 + "d"])
def test_a_text_that_is_no_duration_is_refused(typed):
    with pytest.raises(click.BadParameter, match="is not a duration"):
        Duration().convert(typed, None, None)


def test_a_time_of_day_is_in_utc():
    assert TimeOfDay().convert("06:00", None, None) == time(6)
    for typed in ("6 o'clock", "25:00", "06:00+08:00"):
        with pytest.raises(click.BadParameter):
            TimeOfDay().convert(typed, None, None)


@pytest.mark.parametrize(
    ("now", "seconds"),
    [(at(2026, 11, 1, 2), 14_400), (at(2026, 11, 1, 6), 86_400), (at(2026, 11, 1, 22), 28_800)],
)
def test_a_time_of_day_means_its_next_occurrence(now, seconds):
    assert seconds_until(time(6), now=now) == seconds


@pytest.mark.parametrize(
    ("value", "shard"), [("0/1", Shard(0, 1)), ("3/4", Shard(3, 4)), ("/4", Shard(2, 4)), (" 4 ", Shard(2, 4))]
)
def test_a_shard(value, shard, monkeypatch):
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "2")

    assert ShardOf().convert(value, None, None) == shard


@pytest.mark.parametrize("value", ["", "/", "4/4", "1/0", "-1/4", "1/4/2", "1.0/4", "\u0661/4", "/4", "a/b"])
def test_a_text_that_is_no_shard_is_refused(value):
    with pytest.raises(click.BadParameter, match="part such as 0/4"):
        ShardOf().convert(value, None, None)

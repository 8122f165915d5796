"""Task IDs and the time inside them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.tasks import ID_EPOCH_MS, ID_TIME_SHIFT, instant_of, is_valid_task_id, milliseconds, time_in_id


@pytest.mark.parametrize(
    ("task_id", "is_valid"),
    [
        ("0", True),
        ("0001", True),
        ("1534087020903704704", True),
        ("9" * 19, True),
        ("9" * 20, False),
        ("", False),
        (" 1", False),
        ("1\n", False),
        ("-1", False),
        ("+1", False),
        ("1e3", False),
        ("1_0", False),
        ("\N{ARABIC-INDIC DIGIT ONE}", False),
        ("\N{SUPERSCRIPT TWO}", False),
        ("..", False),
    ],
)
def test_an_id_is_1_to_19_digits(task_id, is_valid):
    assert is_valid_task_id(task_id) is is_valid


@pytest.mark.parametrize(
    ("task_id", "documented"),
    [
        ("1486254586942472064", datetime(2024, 8, 12, 7, 22, 33, tzinfo=UTC)),
        ("1486368980720435072", datetime(2024, 8, 12, 11, 9, 50, tzinfo=UTC)),
        ("1309243162258308352", datetime(2023, 12, 12, 9, 52, 27, tzinfo=timezone(timedelta(hours=8)))),
    ],
)
def test_the_documented_ids_hold_their_documented_times(task_id, documented):
    assert time_in_id(task_id).replace(microsecond=0) == documented


@given(st.integers(0, 10**19 - 1))
def test_every_valid_id_has_a_time(number):
    instant = time_in_id(str(number))

    assert milliseconds(instant) == (number >> ID_TIME_SHIFT) + ID_EPOCH_MS
    assert instant.tzinfo is UTC


@given(st.datetimes(timezones=st.just(UTC)))
def test_milliseconds_are_cut_and_not_rounded(instant):
    cut = instant_of(milliseconds(instant))

    assert timedelta(0) <= instant - cut < timedelta(milliseconds=1)

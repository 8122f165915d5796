"""Instants mean the same in every engine."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, MetaData, Table, cast, literal, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import StatementError

from etl.database.connections import open_engine
from etl.database.types import KeyText, UtcDateTime
from etl.errors import ConfigurationError

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)

times = Table("times", MetaData(), Column("at", UtcDateTime))


@pytest.fixture
def connection(warehouse_url):
    engine = open_engine(warehouse_url, name="the warehouse", create=True)
    with engine.begin() as connection:
        times.create(connection)
        yield connection
    engine.dispose()


def test_an_instant_comes_back_in_utc(connection):
    given_times = [
        NOON,
        NOON + timedelta(microseconds=1),
        datetime(2026, 11, 2, 20, tzinfo=timezone(timedelta(hours=8))),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(200, 1, 1, tzinfo=UTC),
        datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ]
    for each in given_times:
        connection.execute(times.delete())
        connection.execute(times.insert(), {"at": each})

        found = connection.scalar(select(times.c.at))

        assert (found, found.tzinfo) == (each, UTC)
    assert connection.scalar(select(cast(None, UtcDateTime))) is None


def test_a_naive_time_is_a_bug_of_the_caller(connection):
    with pytest.raises(StatementError, match="naive"):
        connection.execute(times.insert(), {"at": NOON.replace(tzinfo=None)})


def test_instants_compare_as_they_follow_each_other(connection):
    connection.execute(times.insert(), [{"at": NOON + timedelta(microseconds=n)} for n in (2, 0, 1)])

    after = select(times.c.at).where(times.c.at > NOON).order_by(times.c.at)

    assert connection.scalars(after).all() == [NOON + timedelta(microseconds=1), NOON + timedelta(microseconds=2)]


@given(st.datetimes(timezones=st.just(UTC)))
def test_sqlite_s_text_sorts_as_time_does(instant):
    write = UtcDateTime().bind_processor(sqlite.dialect())
    read = UtcDateTime().result_processor(sqlite.dialect(), None)

    assert read(write(instant)) == instant
    assert (write(instant) < write(NOON)) == (instant < NOON)


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-02 12:00:00",
        "2026-11-02T12:00:00Z",
        "2026-11-02T12:00:00z",
        "2026-11-02 12:00",
        " 2026-11-02 20:00:00.000 +08:00 ",
        "2026-11-02 07:00:00 -05:00",
        "2026-11-02 12:00:00 Z",
    ],
)
def test_reads_what_others_write_into_sqlite(written):
    read = UtcDateTime().result_processor(sqlite.dialect(), None)

    assert read(written) == NOON


def test_a_text_that_is_no_time_is_reported():
    read = UtcDateTime().result_processor(sqlite.dialect(), None)

    with pytest.raises(ConfigurationError, match="A text of 4 characters in the database is not a time"):
        read("soon")


def test_a_literal_is_an_instant_too(connection):
    assert connection.scalar(select(literal(NOON, UtcDateTime))) == NOON


def test_types_can_be_printed_without_an_engine():
    assert [str(type_) for type_ in (UtcDateTime(), KeyText(100))] == ["DATETIME", "TEXT"]

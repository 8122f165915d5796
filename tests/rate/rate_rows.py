"""Wishes of runs, and the row of the shared rate, as values."""

from datetime import UTC, datetime, timedelta

import msgspec

from etl.rate.grants import HeldShare
from etl.rate.table import (
    RateRow,
)
from etl.rate.values import FoundLimit, RateWish

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def wish(number=0, *, part=1.0, max_rate=100.0, found=None):
    return RateWish(number=number, part=part, max_rate=max_rate, found=found)


def limit(rate, *, serial, low=0.0):
    return FoundLimit(rate=rate, low=low, high=1.2 * rate, burst=(10, 0.1), serial=serial)


def row(**values):
    blank = {"holder": None, "rate": None, "ceiling": None, "shares": None, "finding": None}
    return RateRow(**{"granted_at": NOON, "next_at": NOON, "paused_until": NOON} | blank | values)


def seconds(number):
    return timedelta(seconds=number)


def shares_of(row):
    return msgspec.json.decode(row.shares, type=list[HeldShare])


def part_at(shares, moment):
    return sum(share.part for share in shares if share.starts_at <= moment < share.ends_at)

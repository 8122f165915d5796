"""The row that runs lease their part of one rate from, on every engine."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from threading import Barrier, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from etl.errors import TransientError
from etl.rate.table import FINDINGS_TTL, RateRow, SharedRate, grant, rate_table
from etl.rate.values import HEADROOM, RateWish

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def wish(seconds=0.25, *, max_rate=100.0, rate=100.0, climbed=0.0, ceiling=None):
    return RateWish(seconds=seconds, max_rate=max_rate, rate=rate, climbed=climbed, ceiling=ceiling)


def row(**values):
    blank = {"holder": None, "rate": None, "ceiling": None}
    return RateRow(**{"granted_at": NOON, "next_at": NOON, "paused_until": NOON} | blank | values)


def seconds(number):
    return timedelta(seconds=number)


WISHES = st.builds(
    wish,
    st.sampled_from([0.25, 0.5, 1.0]),
    max_rate=st.floats(0.1, 1000),
    rate=st.floats(1 / 60, 1000),
    climbed=st.floats(-100, 100),
    ceiling=st.none() | st.floats(1, 1000),
)


@given(st.lists(st.tuples(WISHES, st.floats(-1, 30)), max_size=20))
def test_stretches_never_overlap_and_hold_no_more_than_the_rate_allows(asked):
    now, state, ended_at = NOON, row(), NOON
    for each, later in asked:
        now += seconds(later)
        state, starts_at, requests = grant(state, each, holder="x", now=now)
        assert starts_at >= max(now, ended_at)
        assert (
            requests == 1 or requests / (state.next_at - starts_at).total_seconds() <= each.max_rate * HEADROOM * 1.001
        )
        assert state.next_at > starts_at
        ended_at = state.next_at


def test_a_pause_holds_for_all():
    after, starts_at, _ = grant(row(paused_until=NOON + seconds(8)), wish(), holder="x", now=NOON)

    assert starts_at == NOON + seconds(8)
    assert after.next_at == starts_at + seconds(24 / (100 * HEADROOM))


@pytest.mark.parametrize(
    ("found", "wish", "after"),
    [
        (None, wish(), None),
        (None, wish(rate=70, climbed=-30, ceiling=100), 70),
        (50.0, wish(rate=70, climbed=-30, ceiling=100), 50),
        (70.0, wish(rate=50, climbed=-20, ceiling=60), 50),
        (70.0, wish(rate=72, climbed=2), 72),
        (71.0, wish(rate=72, climbed=2), 73),
        (99.0, wish(rate=72, climbed=2), None),
    ],
)
def test_findings_of_all_runs_about_the_rate_add_up(found, wish, after):
    assert grant(row(rate=found), wish, holder="x", now=NOON)[0].rate == after


def test_old_findings_expire_but_not_during_a_pause():
    found = row(rate=20.0, ceiling=30.0)
    later = NOON + FINDINGS_TTL + seconds(1)

    forgotten, _, _ = grant(found, wish(), holder="x", now=later)
    assert (forgotten.rate, forgotten.ceiling) == (None, None)
    kept, _, _ = grant(replace(found, paused_until=later), wish(), holder="x", now=later)
    assert (kept.rate, kept.ceiling) == (20.0, 30.0)


def test_a_clock_that_was_set_back_keeps_no_run_waiting():
    before = row(next_at=NOON + seconds(1), paused_until=NOON + seconds(3))

    _, starts_at, _ = grant(before, wish(), holder="x", now=NOON - timedelta(hours=1))

    assert starts_at == NOON - timedelta(hours=1) + seconds(3)


@pytest.fixture
def rate(board):
    """The row beside the pending table, as it was born."""
    table = rate_table(board.table)
    born = datetime.now(UTC) - timedelta(hours=1)
    blank = {"holder": None, "rate": None, "ceiling": None}
    with board.engine.begin() as connection:
        connection.execute(update(table).values(granted_at=born, next_at=born, paused_until=born, **blank))
    return lambda holder: SharedRate(board.engine, table, holder=holder)


def test_a_lease_is_given_in_this_process_s_time(rate):
    before = time.monotonic()
    first = rate("one").lease(wish())
    after = time.monotonic()

    assert before - 0.01 <= first.starts_at <= after + 0.01
    assert first.ends_at - first.starts_at == pytest.approx(24 / (100 * HEADROOM), abs=1e-5)
    assert (first.requests, first.rate, first.ceiling, first.is_alone) == (24, None, None, True)


def test_one_after_the_other(rate):
    one, other = rate("one"), rate("other")
    leases = [run.lease(wish(1)) for run in (one, one, other, one)]

    assert [lease.is_alone for lease in leases] == [True, True, False, False]
    for before, after in pairwise(leases):
        # Two runs read the clocks by themselves, and differ by what an answer takes.
        assert after.starts_at >= before.ends_at - 0.05


def test_each_run_learns_the_findings_of_the_other(rate):
    one, other = rate("one"), rate("other")
    one.lease(wish(rate=70, climbed=-30, ceiling=100))

    learned = other.lease(wish())

    assert (learned.rate, learned.ceiling) == (70, 100)


def test_a_pause_reaches_all_runs_and_is_never_shortened(rate):
    one, other = rate("one"), rate("other")
    one.pause(20)
    other.pause(5)

    lease = other.lease(wish())

    assert lease.starts_at == pytest.approx(lease.paused_until, abs=0.001)
    assert 15 < lease.paused_until - time.monotonic() < 21


def test_many_at_once_get_stretches_of_their_own(rate, board):
    begin, leases = Barrier(4), []

    def work(name):
        run = rate(name)
        begin.wait()
        leases.extend([run.lease(wish()) for _ in range(10)])

    threads = [Thread(target=work, args=(str(each),)) for each in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    table = rate_table(board.table)
    with board.engine.connect() as connection:
        granted_at, next_at = connection.execute(select(table.c.granted_at, table.c.next_at)).one()
    assert len(leases) == 40
    # 40 stretches of 24 requests, and not one of them lost.
    assert (next_at - granted_at).total_seconds() > 40 * 24 / (100 * HEADROOM) - 8


def test_a_lease_whose_commit_was_not_confirmed_passes_unused(rate, board, lose_answer):
    run = rate("one")
    run.lease(wish())
    lose_answer(board.engine)
    with pytest.raises(TransientError):
        run.lease(wish())

    lease = run.lease(wish())

    assert lease.requests == 24

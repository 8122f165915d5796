"""The row that runs get their shares of one rate from, on every engine."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from etl.database.clock import steady_seconds
from etl.errors import ConfigurationError, TransientError
from etl.rate.grants import ALONE_SECONDS, MAX_SHARE_SECONDS, OLDER_VERSION, SHARED_SECONDS, HeldShare
from etl.rate.table import (
    CLOCK_ERROR_SECONDS,
    FINDING_TTL,
    NIGHT_GAP,
    RateRow,
    SharedRate,
    found_limit,
    grant,
    rate_table,
)
from etl.rate.values import HEADROOM, FoundLimit, RateWish
from etl.source.schema import upgrade_queue

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


ASKED = st.tuples(
    st.sampled_from("abcdefgh"),
    st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    st.sampled_from([2.0, 39.0, 100.0, 400.0, 100_000.0]),
    # The clock of the database may be set back and forward.
    st.sampled_from([0.0, 0.001, 0.05, 0.3, 0.3, 0.3, 2.0, -0.5, -7.0, -3600.0]),
    st.booleans(),
)


@given(st.lists(ASKED, max_size=40))
def test_shares_add_up_to_the_whole_rate_at_most_whatever_runs_ask_for(asked):
    """The database's clock may also go back; a run holds its share by a clock of its own, which does not."""
    shown, real, state, granted, numbers = NOON, 0.0, row(), [], dict.fromkeys("abcdefgh", 0)
    for holder, part, max_rate, later, is_received in asked:
        shown, real = shown + seconds(later), real + max(later, 0)
        state, share = grant(state, wish(numbers[holder], part=part, max_rate=max_rate), holder=holder, now=shown)
        assert 0 < share.part <= 1 + 1e-6
        assert share.starts_at >= shown.timestamp()
        if is_received:
            numbers[holder] = share.number
            begin = real + share.starts_at - shown.timestamp()
            granted.append(
                msgspec.structs.replace(share, starts_at=begin, ends_at=begin + share.ends_at - share.starts_at)
            )
    for share in granted:
        assert part_at(granted, share.starts_at + 1e-5) <= 1 + 1e-6


def test_a_run_that_is_alone_gets_the_whole_rate_and_two_get_a_half_each():
    state, first = grant(row(), wish(), holder="one", now=NOON)
    assert (first.part, first.starts_at) == (1, NOON.timestamp())
    assert first.ends_at - first.starts_at == pytest.approx(ALONE_SECONDS, abs=0.02)

    state, of_other = grant(state, wish(), holder="other", now=NOON + seconds(0.2))
    state, second = grant(state, wish(1), holder="one", now=NOON + seconds(0.5))

    assert (of_other.part, second.part) == (0.5, 0.5)
    assert of_other.starts_at == second.starts_at == first.ends_at
    assert second.ends_at - second.starts_at == pytest.approx(SHARED_SECONDS, abs=0.02)


def test_a_run_that_can_use_little_leaves_the_rest_to_the_others():
    state, slow = grant(row(), wish(part=0.1, max_rate=1000), holder="slow", now=NOON)
    state, quick = grant(state, wish(max_rate=1000), holder="quick", now=NOON + seconds(0.2))
    state, slow = grant(state, wish(1, part=0.1, max_rate=1000), holder="slow", now=NOON + seconds(0.5))

    assert (quick.part, slow.part) == pytest.approx((0.9, 0.1))


def test_runs_take_turns_if_their_shares_would_be_small():
    state, _ = grant(row(), wish(max_rate=50), holder="one", now=NOON)
    state, other = grant(state, wish(max_rate=50), holder="other", now=NOON)
    state, one = grant(state, wish(1, max_rate=50), holder="one", now=NOON)

    assert (other.part, one.part) == (1, 1)
    assert one.starts_at == other.ends_at


def test_a_share_outlasts_a_slow_round_trip_to_the_database():
    slow = replace(wish(), round_trip=0.9)

    state, share = grant(row(), slow, holder="one", now=NOON)
    _, following = grant(state, replace(slow, number=1, round_trip=60.0), holder="one", now=NOON + seconds(2))

    assert share.ends_at - share.starts_at == pytest.approx(3.6, abs=0.02)
    assert following.ends_at - following.starts_at == pytest.approx(5, abs=0.02)


def test_a_pause_holds_for_all():
    _, share = grant(row(paused_until=NOON + seconds(8)), wish(), holder="x", now=NOON)

    assert share.starts_at == (NOON + seconds(8)).timestamp()


def test_a_share_that_a_run_never_heard_of_is_granted_again():
    state, _ = grant(row(), wish(), holder="one", now=NOON)
    state, lost = grant(state, wish(1), holder="one", now=NOON + seconds(0.5))
    state, again = grant(state, wish(1), holder="one", now=NOON + seconds(0.6))

    assert again == lost
    assert len(shares_of(state)) == 2


def test_a_period_of_an_older_version_excludes_all_others():
    """A run that was there before the upgrade leases from ``next_at`` on, and writes its end."""
    state, first = grant(row(), wish(), holder="new", now=NOON)
    assert state.next_at.timestamp() == pytest.approx(first.ends_at, abs=1e-5)
    leased = replace(state, holder="old", next_at=state.next_at + seconds(0.25))

    state, second = grant(leased, wish(1), holder="new", now=NOON + seconds(0.5))

    assert second.starts_at == leased.next_at.timestamp()
    assert OLDER_VERSION in {share.holder for share in shares_of(state)}
    state, other = grant(state, wish(), holder="other", now=NOON + seconds(0.6))
    assert other.starts_at >= leased.next_at.timestamp()


def test_shares_that_cannot_be_read_hold_the_whole_rate_until_they_have_surely_ended():
    _, share = grant(row(shares="{"), wish(), holder="x", now=NOON)

    assert share.starts_at == (NOON + seconds(2 * MAX_SHARE_SECONDS)).timestamp()


@pytest.mark.parametrize(
    ("known", "found", "after"),
    [
        (None, None, None),
        (None, limit(70, serial=1), 70),
        (limit(70, serial=5), limit(50, serial=6), 50),
        (limit(70, serial=5), limit(75, serial=6), 75),
        # Another run has reported the same refusal, or a later one.
        (limit(70, serial=5), limit(60, serial=5), 70),
        (limit(70, serial=5), None, 70),
    ],
)
def test_the_row_keeps_what_a_run_has_found_if_it_is_news(known, found, after):
    before = row(finding=None if known is None else msgspec.json.encode(known).decode())
    state, _ = grant(before, wish(found=found), holder="x", now=NOON)
    kept = found_limit(state)
    assert (kept and kept.rate) == after


def test_the_rate_of_a_share_is_the_one_that_was_found():
    state, share = grant(row(), wish(found=limit(20 * HEADROOM, serial=1)), holder="x", now=NOON)
    assert state.rate == pytest.approx(20)
    assert (share.ends_at - share.starts_at) * 20 * HEADROOM == pytest.approx(19)
    state, _ = grant(state, wish(1, found=limit(100 * HEADROOM, serial=2)), holder="x", now=NOON)
    assert state.rate is None, "the API allows what the configuration allows"


def test_a_found_limit_expires_but_not_during_a_pause():
    found = grant(row(), wish(found=limit(20, serial=1)), holder="x", now=NOON)[0]
    later = NOON + FINDING_TTL + seconds(2)

    forgotten, _ = grant(found, wish(), holder="y", now=later)
    assert (forgotten.rate, forgotten.ceiling, forgotten.finding) == (None, None, None)
    kept, _ = grant(replace(found, paused_until=later), wish(), holder="y", now=later)
    assert found_limit(kept) == limit(20, serial=1)


def test_the_next_night_starts_at_the_rate_that_was_sustained():
    found = grant(row(), wish(found=limit(25, serial=1, low=20)), holder="x", now=NOON)[0]

    soon, _ = grant(found, wish(), holder="y", now=NOON + seconds(30))
    assert found_limit(soon).rate == 25
    next_night, share = grant(found, wish(), holder="y", now=NOON + NIGHT_GAP + seconds(2))
    assert found_limit(next_night).rate == found_limit(next_night).low == 20
    assert next_night.rate == pytest.approx(20 / HEADROOM)
    assert (share.ends_at - share.starts_at) * 20 <= 20


def test_a_finding_that_cannot_be_read_is_nothing():
    assert found_limit(row(finding="{")) is None
    assert found_limit(row(finding='{"rate": "x"}')) is None


def test_a_clock_that_was_set_back_keeps_no_run_waiting():
    before = row(next_at=NOON + seconds(1), paused_until=NOON + seconds(3))

    _, share = grant(before, wish(), holder="x", now=NOON - timedelta(hours=1))

    assert share.starts_at == (NOON - timedelta(hours=1) + seconds(3)).timestamp()


@pytest.fixture
def table(board):
    return rate_table(board.table)


@pytest.fixture
def rate(board, table):
    """The row beside the pending table, as it was born."""
    born = datetime.now(UTC) - timedelta(hours=1)
    blank = {"holder": None, "rate": None, "ceiling": None, "shares": None, "finding": None}
    with board.engine.begin() as connection:
        connection.execute(update(table).values(granted_at=born, next_at=born, paused_until=born, **blank))
    return lambda holder: SharedRate(board.engine, table, holder=holder)


def test_a_share_is_given_in_this_process_s_time(rate):
    before = steady_seconds()
    first = rate("one").lease(wish())
    after = steady_seconds()

    assert before - 0.01 <= first.starts_at <= after + 0.01
    assert first.ends_at - first.starts_at == pytest.approx(99 / (100 * HEADROOM), abs=after - before + 1e-4)
    assert (first.number, first.part, first.found, first.is_alone) == (1, 1, None, True)


def test_shares_of_a_run_follow_on_each_other_and_a_second_run_has_its_part(rate):
    one, other = rate("one"), rate("other")
    leases = [one.lease(wish()), one.lease(wish(1)), other.lease(wish()), one.lease(wish(2))]

    assert [lease.follows_on for lease in leases] == [False, True, False, True]
    assert [lease.is_alone for lease in leases] == [True, True, False, False]
    assert [lease.part for lease in leases] == [1, 1, 0.5, 0.5]


def test_each_run_learns_the_findings_of_the_other(rate):
    one, other = rate("one"), rate("other")
    one.lease(wish(found=limit(70, serial=1)))

    assert other.lease(wish()).found == limit(70, serial=1)


def test_a_pause_reaches_all_runs_and_is_never_shortened(rate):
    one, other = rate("one"), rate("other")
    one.pause(20)
    other.pause(5)

    lease = other.lease(wish())

    assert lease.starts_at == pytest.approx(lease.paused_until, abs=0.001)
    assert 15 < lease.paused_until - steady_seconds() < 21


def test_many_at_once_hold_the_whole_rate_together_and_no_more(rate, board, table):
    begin, leases = Barrier(4), []

    def work(name):
        run = rate(name)
        begin.wait()
        leases.extend([run.lease(wish(number)) for number in range(10)])

    threads = [Thread(target=work, args=(str(each),)) for each in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with board.engine.connect() as connection:
        shares = msgspec.json.decode(connection.execute(select(table.c.shares)).scalar_one(), type=list[HeldShare])
    assert len(leases) == 40
    # What runs may use counts. In the row, a share also covers the time that its run may have waited for the lock.
    assert max(part_at(leases, lease.starts_at + CLOCK_ERROR_SECONDS) for lease in leases) <= 1 + 1e-6
    # No grant was lost: each run has all of its shares that have not ended, one after the other.
    assert {share.number for share in shares if share.ends_at == max(each.ends_at for each in shares)} == {10}


def test_a_share_whose_commit_was_not_confirmed_is_granted_again(rate, board, lose_answer):
    run = rate("one")
    first = run.lease(wish())
    lose_answer(board.engine)
    with pytest.raises(TransientError):
        run.lease(wish(1))

    again = run.lease(wish(1))

    assert (again.number, again.follows_on) == (2, True)
    assert again.starts_at == pytest.approx(first.ends_at, abs=0.05)


def test_a_row_that_is_gone_lets_no_run_send_and_init_restores_it(rate, board, table):
    run = rate("one")
    run.lease(wish())
    with board.engine.begin() as connection:
        connection.execute(delete(table))
    with pytest.raises(ConfigurationError, match="has no row"):
        run.lease(wish(1))

    upgrade_queue(board.engine, board.table)

    # Other runs may still hold shares by the row that is gone.
    assert rate("other").lease(wish()).starts_at > steady_seconds() + ALONE_SECONDS

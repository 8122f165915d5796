"""What a grant makes of the row of the shared rate. Pure."""

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.rate.grants import ALONE_SECONDS, FIRST_SECONDS, MAX_SHARE_SECONDS, OLDER_VERSION, SHARED_SECONDS
from etl.rate.table import (
    FINDING_TTL,
    NIGHT_GAP,
    found_limit,
    grant,
)
from etl.rate.values import HEADROOM
from tests.rate.rate_rows import NOON, limit, part_at, row, seconds, shares_of, wish

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
    assert first.ends_at - first.starts_at == pytest.approx(FIRST_SECONDS, abs=0.02)

    state, second = grant(state, wish(1), holder="one", now=NOON + seconds(0.2))
    assert second.ends_at - second.starts_at == pytest.approx(ALONE_SECONDS, abs=0.02)

    state, of_other = grant(state, wish(), holder="other", now=NOON + seconds(0.4))
    state, third = grant(state, wish(2), holder="one", now=NOON + seconds(0.7))

    assert (of_other.part, third.part) == (0.5, 0.5)
    assert of_other.starts_at == third.starts_at == second.ends_at
    assert third.ends_at - third.starts_at == pytest.approx(SHARED_SECONDS, abs=0.02)


def test_of_runs_that_start_together_the_last_waits_for_a_short_share():
    state, _ = grant(row(), wish(max_rate=1000), holder="one", now=NOON)
    state, other = grant(state, wish(max_rate=1000), holder="other", now=NOON)
    _, third = grant(state, wish(max_rate=1000), holder="third", now=NOON)

    assert other.starts_at - NOON.timestamp() == pytest.approx(FIRST_SECONDS, abs=0.02)
    assert third.starts_at == other.starts_at


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
    state, lost = grant(state, wish(1), holder="one", now=NOON + seconds(0.1))
    state, again = grant(state, wish(1), holder="one", now=NOON + seconds(0.2))

    assert again == lost
    assert len(shares_of(state)) == 2


def test_a_period_of_an_older_version_excludes_all_others():
    """A run that was there before the upgrade leases from ``next_at`` on, and writes its end."""
    state, first = grant(row(), wish(), holder="new", now=NOON)
    assert state.next_at.timestamp() == pytest.approx(first.ends_at, abs=1e-5)
    leased = replace(state, holder="old", next_at=state.next_at + seconds(0.25))

    state, second = grant(leased, wish(1), holder="new", now=NOON + seconds(0.1))

    assert second.starts_at == leased.next_at.timestamp()
    assert OLDER_VERSION in {share.holder for share in shares_of(state)}
    state, other = grant(state, wish(), holder="other", now=NOON + seconds(0.2))
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
    assert (share.ends_at - share.starts_at) * 20 * HEADROOM == pytest.approx(4)
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

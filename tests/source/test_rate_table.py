"""The row that runs get their shares of one rate from, on every engine."""

from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import msgspec
import pytest
from sqlalchemy import delete, select, update

from etl.database.clock import steady_seconds
from etl.errors import ConfigurationError, TransientError
from etl.rate import grants
from etl.rate.grants import ALONE_SECONDS, HeldShare
from etl.rate.table import (
    CLOCK_ERROR_SECONDS,
    MAX_PAUSE_SECONDS,
    SharedRate,
    rate_table,
)
from etl.rate.values import HEADROOM
from etl.source.schema import upgrade_queue
from tests.rate.rate_rows import limit, part_at, wish


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


@pytest.fixture
def long_shares(monkeypatch):
    """No share ends before the next one is asked for, however slow the machine is."""
    for name in ("FIRST_SECONDS", "ALONE_SECONDS", "SHARED_SECONDS", "MAX_SHARE_SECONDS"):
        monkeypatch.setattr(grants, name, 60.0)


def test_a_share_is_given_in_this_process_s_time(rate):
    before = steady_seconds()
    first = rate("one").lease(wish())
    after = steady_seconds()

    assert before - 0.01 <= first.starts_at <= after + 0.01
    assert first.ends_at - first.starts_at == pytest.approx(24 / (100 * HEADROOM), abs=after - before + 1e-4)
    assert (first.number, first.part, first.found, first.is_alone) == (1, 1, None, True)


@pytest.mark.usefixtures("long_shares")
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


def test_a_run_that_is_frozen_in_the_row_keeps_no_other_from_its_share_for_long(rate, board, table):
    """SQLite and DuckDB have one writer at a time in any case, and MySQL cannot end a transaction that pauses."""
    if not (board.engine.name == "postgresql" or getattr(board.engine.dialect, "is_mariadb", False)):
        return
    frozen = rate("frozen")
    with frozen._engine.connect() as connection:  # noqa: SLF001 - as a run that sleeps between two statements
        frozen._locked(connection)  # noqa: SLF001
        asked_at = steady_seconds()
        assert rate("other").lease(wish()).part == 1
        assert steady_seconds() - asked_at < MAX_PAUSE_SECONDS + 5
        with pytest.raises(TransientError):
            connection.execute(select(table.c.id))


@pytest.mark.usefixtures("long_shares")
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

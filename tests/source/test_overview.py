"""The backlog by state and age."""

from datetime import UTC, datetime, timedelta

import pytest

from etl.source.overview import QueueOverview, StateOverview, overview
from etl.tasks import WaitingTasks


def test_an_empty_table(board):
    assert overview(board.engine, board.table, now=board.now) == QueueOverview(states=[], waiting=WaitingTasks(tasks=0))


def test_counts_every_state_by_age(board):
    now = board.now
    board.add("young", submitted_at=(now - timedelta(days=1)).isoformat())
    board.add(board.id_at(now - timedelta(days=1, milliseconds=1)), board.id_at(now - timedelta(days=7)))
    board.add("old", submitted_at="2026-01-01T00:00:00Z")
    board.add("of no time")
    board.add("done", submitted_at=now.isoformat(), state="done")
    board.queue().claim(2)

    assert overview(board.engine, board.table, now=now).states == [
        StateOverview(
            state="done",
            tasks=1,
            leased=0,
            under_a_day=1,
            under_a_week=0,
            older=0,
            oldest_submitted_at=now,
        ),
        StateOverview(
            state="pending",
            tasks=5,
            leased=2,
            under_a_day=1,
            under_a_week=2,
            older=2,
            oldest_submitted_at=datetime(2026, 1, 1, tzinfo=UTC),
        ),
    ]


@pytest.mark.parametrize(("minute", "leased"), [(4, 1), (5, 0)])
def test_an_expired_lease_does_not_count(board, minute, leased):
    board.add("1")
    board.queue(lease_minutes=5).claim(1)

    (pending,) = overview(board.engine, board.table, now=board.at(minute)).states

    assert pending.leased == leased
    assert pending.oldest_submitted_at == datetime(2018, 12, 31, 16, tzinfo=UTC)

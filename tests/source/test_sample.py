"""The tasks to probe with come from other places of the queue than its beginning."""

from datetime import timedelta

import pytest

from etl.source.sample import AT_RANDOM, NEWEST


@pytest.fixture(name="poisoned")
def _poisoned(board):
    """A queue with two hundred old tasks in front of three new ones, which are the only ones after noon."""
    old = [board.id_at(board.at(0) - timedelta(days=1), number) for number in range(200)]
    new = [board.id_at(board.at(minute)) for minute in (1, 2, 3)]
    board.add(*old, *new)
    return old, new


def test_a_sample_has_the_newest_tasks_and_some_others(board, poisoned, ids):
    old, new = poisoned
    sampled = ids(board.queue().sample())
    assert sampled[:NEWEST] == new[:0:-1]
    assert len(sampled) == NEWEST + AT_RANDOM
    assert set(sampled) <= {*old, *new}


def test_a_sample_claims_nothing_and_sees_what_is_held(board, poisoned):
    queue = board.queue()
    held = queue.claim(203)
    before = board.rows()
    assert len(held) == 203
    assert len(queue.sample()) == NEWEST + AT_RANDOM
    assert board.rows() == before


def test_a_sample_has_only_due_tasks_with_valid_ids(board, ids):
    assert board.queue().sample() == []
    board.add("no ID", submitted_at="2026-11-02 13:00:00+00:00")
    board.add("17", state="done")
    board.add("18")
    assert set(ids(board.queue().sample())) == {"18"}

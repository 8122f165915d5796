"""Tasks whose runs died are claimed last, and alone at the end, the same on every engine."""

from datetime import timedelta
from functools import partial

import pytest

from etl.errors import TransientError


def leave_behind(board, task_id, *, claims):
    """Have runs claim a task and die, one after the other."""
    board.execute(
        "UPDATE pending_task SET attempts = :claims, lease_owner = 'dead', lease_until = :ended WHERE task_id = :id",
        claims=claims,
        ended="2026-11-02 11:59:59",
        id=task_id,
    )


def test_tasks_of_dead_runs_are_claimed_last_and_apart(board, ids):
    board.add("1", "2", "3", "4")
    leave_behind(board, "1", claims=1)
    leave_behind(board, "3", claims=3)
    queue = board.queue()

    assert [ids(tasks) for tasks in iter(partial(queue.claim, 9), [])] == [["2", "4"], ["1", "3"]]
    assert queue.claim_suspect() == []


def test_a_task_is_alone_at_the_last_claim_that_it_may_have(board):
    board.add("1", "2", "3")
    leave_behind(board, "1", claims=4)
    leave_behind(board, "2", claims=5)
    queue = board.queue()

    assert [task.task_id for task in queue.claim(9)] == ["3"]
    assert queue.claim(9) == []
    suspects = [queue.claim_suspect() for _ in range(3)]
    assert [[(task.task_id, task.attempts) for task in tasks] for tasks in suspects] == [[("1", 5)], [("2", 6)], []]


def test_a_task_that_failed_in_all_its_runs_is_no_suspect(board, ids):
    board.add("1", "2")
    for _ in range(5):
        board.now += timedelta(minutes=1)
        queue = board.queue()
        tasks = queue.claim(9)
        assert ids(tasks) == ["1", "2"]
        queue.settle([board.settled(task, None, error="timeout") for task in tasks])


def test_a_suspect_whose_claim_was_not_confirmed_is_found_again(board, lose_answer):
    board.add("1", "2")
    leave_behind(board, "1", claims=4)
    leave_behind(board, "2", claims=4)
    queue = board.queue()
    lose_answer(board.engine)
    with pytest.raises(TransientError):
        queue.claim_suspect()

    assert [task.task_id for task in (*queue.claim_suspect(), *queue.claim_suspect())] == ["1", "2"]

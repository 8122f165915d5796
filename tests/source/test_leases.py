"""Leases and fences, and what a run writes about the tasks that it holds, the same on every engine."""

from contextlib import suppress
from datetime import timedelta

import pytest

from etl.errors import ConfigurationError, LeaseLostError, TransientError
from etl.tasks import TaskState


def test_a_claim_leaves_lease_fence_and_attempt(board):
    board.add("1")

    (task,) = board.queue("run-7", lease_minutes=5).claim(1)

    row = board.row("1")
    assert (row["lease_owner"], row["lease_until"]) == ("run-7", board.at(5))
    assert (row["fence"], row["attempts"], row["state"]) == (task.fence, task.attempts, "pending") == (1, 1, "pending")


def test_an_expired_lease_is_taken_over_and_the_fence_holds(board):
    board.add("1")
    sleeper, heir = board.queue("sleeper"), board.queue("heir")
    (lost,) = sleeper.claim(1)
    board.now = board.at(5)
    (taken,) = heir.claim(1)
    before = board.row("1")

    assert sleeper.renew([lost]) == {"1"}
    sleeper.release([lost])
    for late in ((TaskState.DONE, None), (TaskState.DEAD, "late"), (None, "late")):
        with pytest.raises(LeaseLostError):
            sleeper.settle([board.settled(lost, late[0], error=late[1])])

    assert (taken.fence, taken.attempts) == (2, 2)
    assert board.row("1") == before
    heir.settle([board.settled(taken)])
    assert board.row("1")["state"] == "done"


def test_a_run_claims_nothing_twice_after_its_own_leases_have_ended(board):
    board.add("1")
    suspended = board.queue("suspended")
    held = suspended.claim(1)

    board.now = board.at(6)

    assert suspended.claim(9) == suspended.claim_suspect() == []
    assert suspended.count() == 0
    assert suspended.can_claim()
    assert suspended.renew(held) == set()
    assert (board.row("1")["attempts"], board.row("1")["lease_until"]) == (1, board.at(11))


def test_a_lease_holds_to_its_last_moment_and_may_be_renewed(board):
    board.add("1")
    holder, other = board.queue("holder"), board.queue("other")
    held = holder.claim(1)
    board.now = board.at(5) - timedelta(microseconds=1)
    assert other.claim(1) == []

    holder.renew(held)

    board.now = board.at(9)
    assert other.claim(1) == []
    assert board.row("1")["attempts"] == 1


def test_a_lease_that_ends_behind_a_claim_is_still_waited_for(board, ids):
    board.add("1")
    board.queue("crashed").claim(1)
    heir = board.queue("heir")
    assert heir.claim(9) == []
    board.now = board.at(5)

    assert heir.count_others() == 1
    assert ids(heir.claim(9)) == ["1"]
    assert heir.count_others() == 0


def test_a_task_that_no_run_holds_any_more_is_still_waited_for(board):
    board.add("1", "2")
    stopped, other = board.queue("stopped"), board.queue("other")
    held = stopped.claim(9)
    assert (other.count(), other.count_others(), stopped.count_others()) == (0, 2, 0)

    stopped.release(held)

    assert other.count_others() == 2


def test_a_run_renews_only_the_tasks_that_it_still_holds(board):
    board.add("1", "2")
    queue = board.queue()
    given_back, settled = queue.claim(2)
    queue.release([given_back])
    queue.settle([board.settled(settled, TaskState.PENDING)])

    # The heartbeat may have been late.
    assert queue.renew([given_back, settled]) == {"1", "2"}
    queue.release([given_back, settled])

    assert [(row["lease_until"], row["lease_owner"], row["attempts"]) for row in board.rows().values()] == [
        (None, None, 0)
    ] * 2


def test_a_released_task_is_as_if_it_had_not_been_claimed(board, ids):
    board.add("1", attempts=2)
    before = board.row("1")
    queue = board.queue()

    queue.release(queue.claim(1))

    assert board.row("1") == before | {"fence": 1}
    assert ids(board.queue("other").claim(1)) == ["1"]


@pytest.mark.parametrize(
    ("state", "error", "written"),
    [
        (TaskState.DONE, None, ("done", 0, None)),
        (TaskState.PENDING, None, ("pending", 0, None)),
        (TaskState.DEAD, "not_found: HTTP 404", ("dead", 3, "not_found: HTTP 404")),
        (None, "timeout: 30 s", ("pending", 3, "timeout: 30 s")),
    ],
)
def test_a_settled_task_has_its_state_and_error(board, state, error, written):
    board.add("1", attempts=2, last_error="before")
    queue = board.queue()
    tasks = queue.claim(1)
    board.now = board.at(1)

    queue.settle([board.settled(task, state, error=error) for task in tasks])

    row = board.row("1")
    assert (row["state"], row["attempts"], row["last_error"]) == written
    assert row["last_checked_at"] == board.at(1)
    assert row["lease_owner"] is row["lease_until"] is row["next_check_at"] is None


def test_settle_can_use_the_transaction_of_the_caller(board):
    board.add("1")
    queue = board.queue()
    tasks = queue.claim(1)

    with board.engine.connect() as connection:
        queue.settle([board.settled(task) for task in tasks], within=connection)
        connection.rollback()

    assert board.row("1")["state"] == "pending"
    assert board.row("1")["lease_owner"] == "run-1"


def test_nothing_to_write_writes_nothing(board):
    queue = board.queue()

    queue.settle([])
    queue.renew([])
    queue.release([])

    assert queue.claim(1) == []


def test_a_claim_whose_commit_was_not_confirmed_is_found_again(board, ids, lose_answer):
    board.add("1", "2", "3")
    queue = board.queue()
    lose_answer(board.engine)
    with pytest.raises(TransientError):
        queue.claim(2)

    found = queue.claim(2)

    assert ids(found) == ["1", "2"]
    assert [(task.attempts, task.fence) for task in found] == [(1, 1), (1, 1)]
    assert ids(queue.claim(9)) == ["3"]
    queue.settle([board.settled(task) for task in found])


def test_a_claim_that_was_not_committed_is_made_again(board, ids):
    board.add("1", "2")
    queue = board.queue()
    board.execute("ALTER TABLE pending_task RENAME TO gone")
    with pytest.raises(ConfigurationError):
        queue.claim(2)
    board.execute("ALTER TABLE gone RENAME TO pending_task")

    assert ids(queue.claim(2)) == ["1", "2"]


@pytest.mark.parametrize("write", ["settle", "release"])
def test_a_write_whose_commit_was_not_confirmed_may_be_repeated(board, lose_answer, write):
    board.add("1")
    queue = board.queue()
    (task,) = queue.claim(1)
    argument = [board.settled(task)] if write == "settle" else [task]
    lose_answer(board.engine)
    with pytest.raises(TransientError):
        getattr(queue, write)(argument)
    before = board.row("1")

    with suppress(LeaseLostError):
        getattr(queue, write)(argument)

    assert board.row("1") == before
    assert before["lease_owner"] is None


def test_a_lease_that_holds_longer_than_any_lease_has_ended(board, ids):
    board.add("1")
    board.now = board.at(3 * 24 * 60)
    board.queue("ahead").claim(1)
    board.now = board.at(0)
    run = board.queue("run-2")
    assert run.count() == 1
    assert ids(run.claim(9)) == ["1"]

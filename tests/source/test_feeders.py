"""A program that may insert whole rows, with any value in any column, neither stops nor holds up a run."""

from datetime import timedelta

import pytest

from etl.source.backlog_by_day import backlog_by_day
from etl.source.overview import overview
from etl.tasks import Selection, TaskState

FORGED = {
    "fence": [2**63 - 1, -(2**63)],
    "attempts": [2**31 - 1, -(2**31)],
}


@pytest.mark.parametrize(("column", "number"), [(name, number) for name in FORGED for number in FORGED[name]])
def test_a_number_beyond_any_run_s_begins_again(board, ids, column, number):
    board.add("1", **{column: number})
    board.add("2")
    run = board.queue()

    tasks = run.claim(9)

    assert ids(tasks) == ["1", "2"]
    assert {(task.fence, task.attempts) for task in tasks} == {(1, 1)}
    assert (board.row("1")["fence"], board.row("1")["attempts"]) == (1, 1)
    run.settle([board.settled(task) for task in tasks])
    assert {row["state"] for row in board.rows().values()} == {"done"}


def test_a_lease_that_no_run_of_these_settings_holds_is_claimed(board, ids):
    board.add("1", "2", lease_owner="x", attempts=2**31 - 1)
    board.execute("UPDATE pending_task SET lease_until = '2026-11-02 12:05:00' WHERE task_id = '1'")
    board.execute("UPDATE pending_task SET lease_until = '2026-11-02 12:10:00' WHERE task_id = '2'")
    run = board.queue(lease_minutes=5)
    assert (run.count(), run.count_others()) == (1, 2)
    assert run.claim(9) == []
    assert ids(run.claim_suspect()) == ["2"]
    # The other lease ends as that of any run does.
    board.now = board.at(5)
    assert ids(run.claim_suspect()) == ["1"]
    assert run.count_others() == 0


def test_the_plan_and_the_backlog_count_such_a_task_as_free(board):
    board.add("1", lease_owner="x")
    board.execute("UPDATE pending_task SET lease_until = '2099-11-02 12:10:00'")
    (day,) = backlog_by_day(board.engine, board.table, Selection(), now=board.now, lease=timedelta(minutes=5))
    assert (day.new, day.held) == (1, 0)
    (state,) = overview(board.engine, board.table, now=board.now).states
    assert (state.state, state.leased) == (TaskState.PENDING, 0)

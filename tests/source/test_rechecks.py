"""Open tasks are due again after a while, after all new tasks, or at once if a run asks for it."""

from datetime import timedelta

import pytest

from etl.source.backlog_by_day import backlog_by_day
from etl.source.requeue import requeue
from etl.source.waiting import waiting_tasks
from etl.tasks import Selection, TaskState, WaitingTasks

WORKERS, TASKS, OPEN_EVERY = 3, 60, 12
LEASE = timedelta(minutes=5)


@pytest.fixture
def looked_at(board):
    """Add tasks that a run finds open at noon, and that are due again after ten minutes."""

    def look(*task_ids, minutes=10):
        board.add(*task_ids)
        run = board.queue("first")
        run.settle([board.still_open(task, minutes=minutes) for task in run.claim(99)])

    return look


def test_an_open_task_is_due_again_when_its_time_has_come(board, looked_at, ids):
    looked_at("1", "2")
    board.now = board.at(9)
    assert (board.queue("early").claim(9), board.queue("early").count()) == ([], 0)
    board.now = board.at(10)
    run = board.queue("second")
    assert run.count() == 2
    (task, _) = run.claim(9)
    assert (task.last_status, task.unchanged_looks) == (1, 0)
    run.settle([board.still_open(task, minutes=20, looks=1)])
    row = board.row(task.task_id)
    assert (row["last_status"], row["next_check_at"], row["state"]) == (1, board.at(30), "pending")
    board.now = board.at(30)
    assert [task.unchanged_looks for task in board.queue("third").claim(9)] == [1]


def test_an_end_and_a_failure_leave_no_time_and_a_failure_keeps_the_status(board, looked_at, ids):
    looked_at("1", "2")
    board.now = board.at(10)
    run = board.queue("second")
    ended, failed = run.claim(9)
    run.settle([board.settled(ended), board.settled(failed, None, error="timeout: it failed")])
    assert board.row(ended.task_id)["next_check_at"] is board.row(failed.task_id)["next_check_at"] is None
    assert (board.row(failed.task_id)["last_status"], board.row(failed.task_id)["unchanged_looks"]) == (1, 0)
    board.now = board.at(11)
    assert ids(board.queue("third").claim(9)) == [failed.task_id]


@pytest.mark.parametrize(("written", "read"), [(-1, 0), (None, 0), (40, 40), (41, 40), (2_000_000_000, 40)])
def test_a_number_of_looks_that_no_run_has_written_is_bounded(board, written, read):
    board.add("1", unchanged_looks=written, last_status=1)
    assert [task.unchanged_looks for task in board.queue().claim(1)] == [read]


@pytest.mark.parametrize("selection", [{"recheck": True}, {"refetch": True}])
def test_a_run_may_ask_about_all_open_tasks_at_once_and_once_each(board, looked_at, ids, selection):
    looked_at("1", "2")
    board.now = board.at(1)
    run = board.queue("second", **selection)
    tasks = run.claim(9)
    assert ids(tasks) == ["1", "2"]
    board.now = board.at(2)
    run.settle([board.still_open(task, minutes=20) for task in tasks])
    assert (run.claim(9), run.count()) == ([], 0)


def test_new_tasks_come_first_and_each_kind_is_oldest_first(board, looked_at, ids):
    looked_at("1", "2", "3")
    board.add("4", "5")
    board.now = board.at(10)
    run = board.queue("second")
    assert [ids(run.claim(2)), ids(run.claim(1))] == [["4", "5"], ["1"]]
    board.add("6")
    assert [ids(run.claim(9)), ids(run.claim(9)), run.claim(9)] == [["2", "3"], ["6"], []]


def test_a_task_that_was_checked_in_the_future_does_not_wait(board, ids):
    board.add("1")
    board.now = board.at(120)
    ahead = board.queue("ahead")
    ahead.settle([board.still_open(task, minutes=10) for task in ahead.claim(1)])
    board.now = board.at(0)
    run = board.queue("second")
    assert (run.count_waiting().tasks, run.count_checked_in_future()) == (0, 1)
    assert ids(run.claim(9)) == ["1"]


def test_open_tasks_that_are_not_due_are_counted_with_their_times(board, looked_at):
    assert board.queue().count_waiting() == WaitingTasks(tasks=0)
    looked_at(board.id_at(board.at(-60)), board.id_at(board.at(-50)))
    looked_at(board.id_at(board.at(-40)), minutes=30)
    board.add("1", next_check_at="2026-11-02 12:30:00")

    def waiting(minute, **selection):
        return waiting_tasks(board.engine, board.table, Selection(**selection), now=board.at(minute))

    assert waiting(5) == WaitingTasks(tasks=3, next_at=board.at(10), last_at=board.at(30))
    assert waiting(10) == WaitingTasks(tasks=1, next_at=board.at(30), last_at=board.at(30))
    assert waiting(5, since=board.at(-55), until=board.at(-45)).tasks == 1
    assert waiting(5, recheck=True).tasks == 3
    assert waiting(30).tasks == 0


def test_the_days_of_a_plan_count_them_as_later(board, looked_at):
    looked_at("1", "2")
    board.add("3")

    def days(**selection):
        (day,) = backlog_by_day(board.engine, board.table, Selection(**selection), now=board.at(5), lease=LEASE)
        return day.new, day.still_open, day.later, day.due

    assert days() == (1, 0, 2, 1)
    assert days(recheck=True) == (1, 2, 0, 3)


def test_a_requeued_task_is_new(board, looked_at):
    looked_at("1")
    board.execute("UPDATE pending_task SET state = 'dead'")
    requeue(board.engine, board.table, ["1"])
    row = board.row("1")
    assert (row["last_status"], row["next_check_at"], row["state"]) == (None, None, "pending")


def test_workers_that_start_seconds_apart_ask_once_about_each_task(board):
    """One task in twelve is open; each worker asks about five tasks a second, and begins four seconds after another."""
    board.add(*map(str, range(1, TASKS + 1)))
    asked, workers = [], []
    for second in range(30):
        board.now = board.at(0) + timedelta(seconds=second)
        if second % 4 == 0 and len(workers) < WORKERS:
            workers.append(board.queue(f"worker-{len(workers)}"))
        for worker in workers:
            tasks = worker.claim(5)
            asked += [task.task_id for task in tasks]
            worker.settle(
                [
                    board.still_open(task, minutes=10) if int(task.task_id) % OPEN_EVERY == 0 else board.settled(task)
                    for task in tasks
                ]
            )
    assert sorted(asked, key=int) == [str(number) for number in range(1, TASKS + 1)]
    assert sum(row["state"] == TaskState.PENDING for row in board.rows().values()) == TASKS // OPEN_EVERY

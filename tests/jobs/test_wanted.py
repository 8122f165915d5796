"""The choice of listed tasks: the wanted ones, without repetitions."""

from datetime import UTC, datetime

import pytest

from etl.errors import UnavailableError
from etl.fake_api.listing import a_minute_apart
from etl.jobs.collect import MAX_REMEMBERED_TASKS, MAX_REPETITIONS, Repetitions, Wanted
from etl.koodrive.listing import ListedTask, TaskPage
from etl.tasks.detail import TaskStatus

TASK_ID = a_minute_apart(1)[0]


def page(*numbers):
    return TaskPage(tuple(ListedTask(str(number), None, None) for number in numbers), "c")


def test_repetitions_are_left_out_and_too_many_of_them_are_an_error():
    repetitions = Repetitions()
    assert [task.task_id for task in repetitions.without(page(1, 2, 2))] == ["1", "2"]
    assert [task.task_id for task in repetitions.without(page(2, 3))] == ["3"]
    for _ in range(MAX_REPETITIONS - 1):
        assert repetitions.without(page(1, 2, 3)) == []
    assert repetitions.without(page()) == []
    assert len(repetitions.without(page(4))) == 1
    for _ in range(MAX_REPETITIONS - 1):
        repetitions.without(page(4))
    with pytest.raises(UnavailableError):
        repetitions.without(page(4))


def test_repetitions_are_found_among_the_last_tasks_only():
    repetitions = Repetitions()
    for start in range(0, 3 * MAX_REMEMBERED_TASKS, 100):
        repetitions.without(page(*range(start, start + 100)))
    assert repetitions.without(page(3 * MAX_REMEMBERED_TASKS - MAX_REMEMBERED_TASKS)) == []
    assert len(repetitions.without(page(0))) == 1


def test_a_task_that_may_be_wanted_is_wanted():
    wanted = Wanted(statuses=frozenset({TaskStatus.NEW}), since=datetime(2026, 1, 1, tzinfo=UTC))
    assert wanted.holds(ListedTask("no number", None, None))
    assert not wanted.holds(ListedTask("no number", 3, None))
    assert not wanted.holds(ListedTask(TASK_ID, 0, None))
    assert wanted.holds(ListedTask(TASK_ID, 0, datetime(2026, 1, 1, tzinfo=UTC)))


def test_statuses_are_read_in_the_order_in_which_tasks_go_through_them():
    assert Wanted(statuses=frozenset({TaskStatus.FAILED, TaskStatus.NEW})).readings == [
        TaskStatus.NEW,
        TaskStatus.FAILED,
    ]
    assert Wanted(statuses=frozenset(TaskStatus)).readings == Wanted().readings == [None]

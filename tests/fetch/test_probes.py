"""Probes are about a task that was answered, or about tasks from other places of the queue."""

import asyncio

from etl.fetch.probes import Probes
from etl.tasks import PendingTask

KNOWN, NEWEST, OTHER, ANSWERED = (PendingTask(task_id=task_id) for task_id in ("1", "2", "3", "4"))


def finding(*tasks, calls=None):
    async def find():
        if calls is not None:
            calls.append(tasks)
        return tasks

    return find


def choices(probes, number):
    """The tasks of so many probes that all fail."""

    async def choose():
        chosen = []
        for _ in range(number):
            chosen.append(await probes.task())
            probes.note_failure(chosen[-1])
        return chosen

    return asyncio.run(choose())


def test_the_tasks_take_turns_as_long_as_they_fail():
    calls = []
    assert choices(Probes(finding(KNOWN, NEWEST, OTHER, calls=calls)), 5) == [KNOWN, NEWEST, OTHER, KNOWN, NEWEST]
    assert len(calls) == 1


def test_an_answered_task_comes_first_and_nothing_is_searched():
    calls = []
    probes = Probes(finding(KNOWN, calls=calls))
    probes.note_answer(ANSWERED)
    assert asyncio.run(probes.task()) is ANSWERED
    assert calls == []


def test_the_others_follow_an_answered_task_that_fails():
    probes = Probes(finding(KNOWN, NEWEST))
    probes.note_answer(ANSWERED)
    assert choices(probes, 4) == [ANSWERED, KNOWN, NEWEST, ANSWERED]


def test_a_task_whose_response_is_in_doubt_comes_after_all_others_until_it_is_answered():
    async def choose():
        probes = Probes(finding(KNOWN, NEWEST, KNOWN, OTHER))
        for doubtful in (KNOWN, OTHER):
            probes.note_doubt(doubtful)
        chosen = [await probes.task()]
        probes.note_doubt(NEWEST)
        chosen.append(await probes.task())
        probes.note_answer(OTHER)
        probes.note_failure(OTHER)
        return [*chosen, await probes.task()]

    assert asyncio.run(choose()) == [NEWEST, KNOWN, OTHER]


def test_there_may_be_no_task():
    assert asyncio.run(Probes().task()) is None
    assert asyncio.run(Probes(finding()).task()) is None

"""What people and their programs do to the databases while runs are under way."""

import asyncio
from datetime import timedelta

from etl.source.enqueue import enqueue
from etl.source.prune import delete_done, done_tasks
from etl.source.requeue import requeue, withdraw
from etl.source.tables import pending_table
from etl.warehouse.load.loader import Warehouse
from etl.warehouse.read.dead_letters import Choice, begin_again, discard, open_letters

TABLE = pending_table("pending_task")

REPAIRED_SHARE = 0.75
"""The share of the dead letters about whose tasks KooDrive answers, by the time people try them again."""


def fill(night):
    """Put the tasks of the night into the queue, as a program does by a plain INSERT."""
    scenario, queue = night.scenario, night.database_of("queue")
    ids = [scenario.task_id(index) for index in range(scenario.tasks)]
    ids += [f"no ID {number}" for number in range(scenario.invalid)]
    for task_id in ids:
        queue.add_task(task_id)
    night.auditor.queue.begin()


async def _enqueue(night):
    new = [night.scenario.task_id(1_000 + night.chance.randrange(8)) for _ in range(3)]
    known = [night.scenario.task_id(night.chance.randrange(night.scenario.tasks))]
    night.note("people", "add tasks to the queue")
    enqueue(night.database_of("queue").engine, TABLE, [(each, None) for each in [*new, *known]])


async def _retry(night):
    warehouse = night.database_of("warehouse").engine
    ids = [letter.task_id for letter in open_letters(warehouse, Choice())]
    repaired = [task_id for task_id in ids if night.chance.random() < REPAIRED_SHARE]
    for task_id in repaired:
        night.api.repair(task_id)
    night.note("people", f"try {len(ids)} dead letters again, after KooDrive has repaired {len(repaired)} of the tasks")
    begin_again(warehouse, ids)
    await asyncio.sleep(0.05)
    requeue(night.database_of("queue").engine, TABLE, ids)


async def _discard(night):
    warehouse = night.database_of("warehouse").engine
    ids = [letter.task_id for letter in open_letters(warehouse, Choice())]
    night.note("people", f"discard {len(ids)} dead letters")
    discard(warehouse, ids, now=night.wall())
    await asyncio.sleep(0.05)
    withdraw(night.database_of("queue").engine, TABLE, ids, now=night.wall())


async def _prune(night):
    # The command takes no age below a day; the safety of what it deletes does not depend on that.
    before = night.wall() - timedelta(seconds=10)
    queue, warehouse = night.database_of("queue").engine, Warehouse(night.database_of("warehouse").engine)
    for chunk in done_tasks(queue, TABLE, before=before):
        finished = warehouse.settled(chunk)
        await asyncio.sleep(0.05)
        deleted = delete_done(queue, TABLE, finished, before=before)
        night.note("people", f"prune {deleted} tasks from the queue")


OPERATIONS = {"enqueue": _enqueue, "retry": _retry, "discard": _discard, "prune": _prune}

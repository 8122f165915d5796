"""Small wrongs in claims, leases, settlement, gate, retry and loader, each of which the simulation has to find."""

from typing import NamedTuple


class Wrong(NamedTuple):
    """A small wrong: a sentence that says what is lost, and the words of a module that it replaces."""

    says: str
    module: str
    right: str
    wrong: str


WRONGS = [
    Wrong(
        "A settlement names neither the owner nor the fence.",
        "source/queue.py",
        'table.c.task_id == row["held_id"], table.c.fence == row["held_fence"], table.c.lease_owner == self._owner',
        'table.c.task_id == row["held_id"]',
    ),
    Wrong(
        "A claim leaves the fence as it was.",
        "source/queue.py",
        '"fence": _next(self._table.c.fence, MAX_FENCE),',
        '"fence": self._table.c.fence,',
    ),
    Wrong(
        "A claim counts no attempt.",
        "source/queue.py",
        '"attempts": _next(self._table.c.attempts, MAX_ATTEMPTS),',
        '"attempts": self._table.c.attempts,',
    ),
    Wrong("A lost settlement is no error.", "source/queue.py", "raise LeaseLostError\n", "pass\n"),
    Wrong(
        "A release keeps the attempt.",
        "source/queue.py",
        ", attempts=self._table.c.attempts - 1)",
        ")",
    ),
    Wrong(
        "A run claims what it holds itself.",
        "source/queue.py",
        "return [*conditions, or_(owner.is_(None), owner != self._owner)]",
        "return list(conditions)",
    ),
    Wrong(
        "The tasks of a claim whose answer was lost are forgotten.",
        "source/queue.py",
        "            self._in_doubt = lease_until\n",
        "",
    ),
    Wrong(
        "A renewal reports nothing as lost.",
        "source/queue.py",
        "return {task.task_id for task in held if",
        "return {task.task_id for task in [] if",
    ),
    Wrong(
        "A lease ends a second early.",
        "source/conditions.py",
        "or_(lease_until <= now,",
        "or_(lease_until <= now + timedelta(seconds=1),",
    ),
    Wrong(
        "A task is due a second early.",
        "source/conditions.py",
        "next_check_at <= now,",
        "next_check_at <= now + timedelta(seconds=1),",
    ),
    Wrong(
        "No task of a dead run is claimed.",
        "source/claim_order.py",
        "or self._claim_next(limit, self._left_behind)",
        "",
    ),
    Wrong(
        "A run asks again about a task that it has found open.",
        "source/due_tasks.py",
        "or_(checked_at.is_(None), checked_at < self._began_at, was_checked_in_future(self._table, now)),",
        "",
    ),
    Wrong(
        "An attempt is counted for an answer, too.",
        "source/rows.py",
        "if settlement.error else 0,",
        "if settlement.error else settlement.task.attempts,",
    ),
    Wrong("A failure that counts no attempt counts one.", "source/rows.py", " - (not settlement.counts_attempt)", ""),
    Wrong(
        "A failed task that has ended stays pending.",
        "run/settlement.py",
        "state=TaskState.PENDING if is_open else TaskState.DONE,",
        "state=TaskState.PENDING,",
    ),
    Wrong(
        "An open task is settled as done.",
        "run/settlement.py",
        "state=TaskState.PENDING if is_open else TaskState.DONE,",
        "state=TaskState.DONE,",
    ),
    Wrong(
        "A task is given up one run too early.",
        "run/settlement.py",
        "if outcome.task.attempts < dead_letter_after:",
        "if outcome.task.attempts < dead_letter_after - 1:",
    ),
    Wrong(
        "An outage counts an attempt.",
        "fetch/pool.py",
        "return replace(failure, counts_attempt=False)",
        "return failure",
    ),
    Wrong("A page of another server is the task's own at once.", "fetch/pool.py", "LOOKS = 3\n", "LOOKS = 1\n"),
    Wrong(
        "The retry budget grants everything.",
        "fetch/budget.py",
        "if self._retries + cost > max(MIN_RETRIES, MAX_RETRY_SHARE * self._requests):",
        "if self._retries < 0:",
    ),
    Wrong(
        "The gate does not wait for the limiter.",
        "fetch/gate.py",
        "(seconds := self._seconds_left()) > 0",
        "(seconds := 0.0) > 0",
    ),
    Wrong(
        "A probe that ends is not released.",
        "fetch/gate.py",
        "            self._probe_sent = False\n        self._answered.set()\n",
        "            pass\n",
    ),
    Wrong(
        "A run takes an earlier claim of a task for its own.",
        "run/leases.py",
        "return held is not None and held.fence == task.fence",
        "return held is not None",
    ),
    Wrong(
        "Tasks that were lost are loaded.",
        "run/batch_loader.py",
        "if self._leases.holds(outcome.task)]",
        "if outcome.task]",
    ),
    Wrong(
        "The batch is acknowledged before it is loaded.",
        "run/batch_loader.py",
        "            loaded = await self._context.retry.call(self._write, final, settlements)\n",
        "            await self._acknowledge(settlements)\n"
        "            loaded = await self._context.retry.call(self._write, final, settlements)\n",
    ),
    Wrong(
        "The error of a load is swallowed.",
        "run/batch_loader.py",
        "        if loaded is None:\n            self._can_load = False\n            return\n",
        "        if loaded is None:\n            self._leases.drop([one.task for one in final])\n            return\n",
    ),
    Wrong(
        "A batch that was written is written again.",
        "warehouse/load/loader.py",
        "if written.accounted == run.accounted + batch.tasks:",
        "if written.accounted < 0:",
    ),
    Wrong(
        "The history does not know what was before.",
        "warehouse/load/loader.py",
        "        connection.execute(statements.insert_changes(self._kind), run_id)\n",
        "",
    ),
    Wrong(
        "The leases are not renewed.",
        "run/lease_keeper.py",
        "self._context.limits.lease_seconds / 3)",
        "self._context.limits.lease_seconds * 3)",
    ),
    Wrong(
        "What is left at the end is not released.",
        "run/lease_keeper.py",
        "if held and not await self._context.retry.run(self._context.source.release, held):",
        "if not held:",
    ),
    Wrong(
        "A passing fault of a database is not repeated.",
        "run/database_retry.py",
        "MAX_ATTEMPTS = 10\n",
        "MAX_ATTEMPTS = 1\n",
    ),
    Wrong(
        "An answer leaves the dead letter of its task open.",
        "warehouse/load/loader.py",
        "        connection.execute(statements.resolve_dead_letters())\n",
        "",
    ),
    Wrong("A run does not wait for another one's tasks.", "run/claims.py", "return others > 0", "return False"),
    Wrong(
        "A stop does not end the requests in flight.", "run/pipeline.py", "GRACE_SECONDS = 5.0", "GRACE_SECONDS = 500.0"
    ),
    Wrong(
        "An answer about another task becomes a fact.",
        "koodrive/detail.py",
        "if answer.task_id != task.task_id and str(answer.task_id) != task.task_id:",
        "if answer.task_id is None:",
    ),
]
"""Each is one place of one module."""

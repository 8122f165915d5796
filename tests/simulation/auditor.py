"""Looks at the databases after every commit and at the end of a night, and says which promise of the job is broken."""

from tests.simulation.api import FOREIGN
from tests.simulation.audited_queue import QueueAuditor
from tests.simulation.audited_runs import RunAuditor
from tests.simulation.audited_warehouse import WarehouseAuditor
from tests.simulation.promises import Promises
from tests.simulation.requests_seen import require_rate, require_retries, require_waits


class Auditor:
    """The auditor of one night."""

    def __init__(self, night):
        self._night = night
        self.promises = Promises(night.loop)
        self.warehouse = WarehouseAuditor(night, self.promises.require)
        self.queue = QueueAuditor(night, self.promises.require, warehouse=self.warehouse)
        self.runs = RunAuditor(night, self.promises.require, queue=self.queue)

    def look(self, database):
        """Look at a database after a commit: at the facts first, on which the states of the queue depend."""
        if self._night.scenario.shared or database == "warehouse":
            self.warehouse.look(self.queue.rows)
        if database == "queue":
            self.queue.look()

    def look_at_the_end(self):
        """Look at what a night has left."""
        require = self.promises.require
        for row in self.queue.rows.values():
            task_id, fact = row.task_id, self.warehouse.facts.get(row.task_id)
            # A run that asks about finished tasks again may die, and leave its leases to another such run.
            is_held = row.owner is not None and row.state == "pending"
            require(not is_held, "no task is held after the night", f"{row}")
            has_ended = row.state in {"done", "dead"}
            require(has_ended or self._is_without_comparison(task_id), "every task ends", f"{row}")
            if row.state == "dead":
                require(task_id in self.warehouse.letters, "a dead task has a dead letter", f"{row}")
            elif has_ended:
                end = self._night.api.end_of(task_id)
                require(fact[1:3] == end, "a finished fact is what KooDrive says at the end", f"{fact}, not {end}")
                letter = self.warehouse.letters.get(task_id)
                is_closed = letter is None or letter[3] is not None
                require(is_closed, "a task that was answered has no open dead letter", f"{letter}")
        self.warehouse.look_at_the_end()
        scenario, asked = self._night.scenario, self._night.api.asked
        require_rate(require, asked, max_rate=scenario.max_rate, steps=self.runs.steps)
        require_retries(require, asked, claims=self.queue.claims)
        if not scenario.has_freezes:
            require_waits(require, asked, self._night.api.waits)

    def _is_without_comparison(self, task_id):
        """Return whether another server responds about a task, and a run knows no other that KooDrive answers about.

        Nothing shows then that the response concerns the task alone, and no run may give it up.
        """
        curses = self._night.api.curses
        others = self.warehouse.facts.keys() - {task_id}
        return curses.get(task_id) in FOREIGN and all(curses.get(other) in FOREIGN for other in others)

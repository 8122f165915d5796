"""Audits what runs write to the warehouse: facts, their history, dead letters and the rows of runs."""

from collections import defaultdict

from tests.simulation.audited_queue import HOLDS
from tests.simulation.loop import PROCESS
from tests.simulation.tables import FACTS, HISTORY, LETTERS, RUNS


class WarehouseAuditor:
    """The auditor of the warehouse of one night."""

    def __init__(self, night, require):
        self._night = night
        self._require = require
        self.facts, self.letters, self.runs = {}, {}, {}
        self._history = []
        self._has_late_answers = False

    def look(self, queue):
        """Look at the tables after a commit, given the rows of the queue before it."""
        process, facts, letters = PROCESS.get(), self.facts, self.letters
        self._look_at_facts()
        self.letters = {row[0]: row for row in self._night.database_of("warehouse").rows(LETTERS)}
        if self._night.scenario.shared and process is not None:
            self._require_held(facts, self.facts, queue=queue, process=process)
            self._require_held(letters, self.letters, queue=queue, process=process)
        if self._night.scenario.are_times_exact:
            self._require_resolved()
        self._look_at_runs()

    def look_at_the_end(self):
        """Require that all runs together have counted each change once."""
        changed, changes = sum(row[5] for row in self.runs.values()), len(self._history)
        if not self._has_late_answers and self._night.scenario.are_times_exact:
            self._require(changed == changes, "each change is counted once", f"{changed} of {changes}")

    def _require_held(self, before, after, *, queue, process):
        """Require that a run has written only about tasks that it held, in the transaction that settles them."""
        if before is after or before == after:
            return
        for task_id, row in after.items():
            if row != before.get(task_id):
                task = queue.get(task_id)
                is_held = task is not None and task.owner == process.run_id
                self._require(is_held, HOLDS, f"{process.name} writes about {task_id}, and the queue has {task}")

    def _require_resolved(self):
        """Require that no dead letter is open that is older than the last answer about its task."""
        for task_id, _, _, resolved_at, failed_at in self.letters.values():
            fact = self.facts.get(task_id)
            is_older = resolved_at is None and fact is not None and failed_at < fact[5]
            self._require(not is_older, "an answer resolves a dead letter", f"{task_id}, which failed at {failed_at}")

    def _look_at_facts(self):
        warehouse = self._night.database_of("warehouse")
        history = warehouse.rows(HISTORY)
        facts = {row[0]: row for row in warehouse.rows(FACTS)}
        if history == self._history and facts == self.facts:
            return
        self._note_late(history)
        self._history, self.facts = history, facts
        by_task = defaultdict(list)
        for row in history:
            by_task[row[0]].append(row)
        self._require(by_task.keys() == facts.keys(), "each fact has a history", f"{by_task.keys() ^ facts.keys()}")
        for task_id, rows in by_task.items():
            self._look_at_history(facts[task_id], rows)

    def _note_late(self, history):
        """Remember whether an answer took its place before others."""
        last = {row[0]: row[1] for row in self._history}
        known = {(row[0], row[1]) for row in self._history}
        now = {(row[0], row[1]) for row in history}
        self._has_late_answers |= bool(known - now) or any(at < last.get(task, "") for task, at in now - known)

    def _look_at_history(self, fact, rows):
        task_id, require = fact[0], self._require
        given = {(status, code) for _, status, code in self._night.api.given[task_id]}
        before = (None, None)
        for _, _, previous_status, status, previous_code, code in rows:
            require((status, code) in given, "no fact that the API did not give", f"{task_id}: {status}, {code}")
            require((previous_status, previous_code) == before, "the history has no gap", f"{rows}")
            require((status, code) != before, "the history repeats nothing", f"{rows}")
            before = status, code
        require(before == fact[1:3], "the last change is the fact", f"{fact} after {rows}")
        is_dated = fact[3] == rows[0][1] and fact[4] == rows[-1][1] and fact[5] >= fact[4]
        require(is_dated, "the times of a fact are those of its history", f"{fact} after {rows}")

    def _look_at_runs(self):
        runs = {row[0]: row for row in self._night.database_of("warehouse").rows(RUNS)}
        for run_id, row in runs.items():
            if row == self.runs.get(run_id):
                continue
            _, outcome, _, claimed, audited, changed, unchanged, dead, released = row
            self._require(audited == changed + unchanged, "the row of a run balances", f"{row}")
            is_balanced = outcome == "running" or claimed == audited + dead + released
            self._require(is_balanced, "the row of a run balances", f"{row}")
        self.runs = runs

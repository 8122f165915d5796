"""Looks at the databases after every commit, and says which promise of the job is broken."""

from collections import Counter, defaultdict
from datetime import UTC, datetime

from etl.tasks.detail import TERMINAL_STATUSES
from tests.simulation.api import FOREIGN
from tests.simulation.loop import PROCESS
from tests.simulation.requests_seen import require_rate, require_retries
from tests.simulation.tables import FACTS, HISTORY, LETTERS, QUEUE, RUNS, Row

TERMINAL = {int(status) for status in TERMINAL_STATUSES}


CLOCK_ERROR = 0.2
"""The seconds by which a run's clock may differ from the database's without a fault."""


class BrokenInvariantError(Exception):
    """A promise of the job does not hold."""


class Auditor:
    """The auditor of one night."""

    def __init__(self, night):
        self._night = night
        self._scenario = night.scenario
        self.queue, self.facts, self.letters, self.runs = {}, {}, {}, {}
        self._history = []
        self._changed_at = {}
        """When each row of the queue last changed, in virtual seconds."""
        self._stopped_at = {}
        self._steps = []
        self._has_late_answers = False
        self._are_times_exact = not night.scenario.has_clock_faults
        self._has_freezes = any(start.freezes_at for start in night.scenario.starts)
        scenario = night.scenario
        self._asks_only_about_held = not (
            scenario.episodes
            or scenario.curses
            or scenario.hidden_limit
            or scenario.database_faults
            or scenario.has_clock_faults
            or self._has_freezes
            or scenario.operations
        )

    def break_(self, invariant, what):
        error = BrokenInvariantError(f"{invariant}: {what}")
        if self._night.loop.failure is None:
            self._night.loop.failure = error
        return error

    def require(self, holds, invariant, what):
        if not holds:
            raise self.break_(invariant, what)

    def begin(self):
        self.queue = self._read_queue()
        self._changed_at = dict.fromkeys(self.queue, self._night.loop.time())

    @property
    def is_all_settled(self):
        return all(row.state in {"done", "dead"} and row.owner is None for row in self.queue.values())

    # After each commit

    def look(self, database):
        if self._night.scenario.shared or database == "warehouse":
            self._look_at_facts()
            self._look_at_letters()
            self._look_at_runs()
        if database == "queue":
            self._look_at_queue()

    def _read_queue(self):
        return {row[0]: Row(*row) for row in self._night.database_of("queue").rows(QUEUE)}

    def _look_at_queue(self):
        before, self.queue = self.queue, self._read_queue()
        if before == self.queue:
            return
        process = PROCESS.get()
        for task_id in before.keys() - self.queue.keys():
            self.require(process is None and before[task_id].state == "done", "no task is lost", f"{task_id} is gone")
        for task_id, row in self.queue.items():
            old = before.get(task_id)
            if old == row:
                continue
            self._changed_at[task_id] = self._night.loop.time()
            if old is not None and process is not None:
                self._look_at_write(old, row, process)
            if row.state == "done":
                self._require_finished(task_id)

    def _require_finished(self, task_id):
        fact = self.facts.get(task_id)
        self.require(
            fact is not None and fact[1] in TERMINAL, "a done task has a finished fact", f"{task_id} has {fact}"
        )

    def _look_at_write(self, old, row, process):
        """Look at what a run has written to a row."""
        task_id = row.task_id
        self.require(row.fence >= old.fence, "a fence never falls", f"{task_id}: {old.fence} to {row.fence}")
        if row.fence != old.fence:
            self._look_at_claim(old, row, process)
            return
        self.require(
            old.owner == process.run_id,
            "a run writes only what it holds",
            f"{process.name} writes {task_id}, which {old.owner} holds",
        )
        if row.owner is not None:
            self.require(row.until >= old.until or not self._are_times_exact, "a renewal prolongs a lease", task_id)
            self.require(row[1:4] == old[1:4], "a renewal changes only the end of a lease", task_id)
        else:
            self._look_at_settlement(old, row, process)

    def _look_at_claim(self, old, row, process):
        task_id = row.task_id
        self.require(
            row.owner == process.run_id and row.fence == old.fence + 1 and row.attempts == old.attempts + 1,
            "a claim takes the next fence and one attempt",
            f"{old} to {row}",
        )
        lease = self._scenario.lease_seconds
        self.require(
            abs(self._seconds_until(row.until) - lease) < 1 or not self._are_times_exact,
            "a claim lasts as long as a lease",
            f"{task_id} for {self._seconds_until(row.until):.1f} s",
        )
        if self._are_times_exact and old.owner is not None:
            left = self._seconds_until(old.until)
            self.require(
                left <= CLOCK_ERROR, "no run takes what another holds", f"{task_id}, {left:.1f} s before its end"
            )
        if self._are_times_exact and old.due is not None and old.state == "pending" and not process.refetch:
            early = self._seconds_until(old.due)
            self.require(early <= CLOCK_ERROR, "no run takes what is not due", f"{task_id}, {early:.1f} s early")

    def _look_at_settlement(self, old, row, process):
        task_id = row.task_id
        if row.state == "dead":
            self._require_justified(old, process)
        elif row.error is None and row.attempts == 0 and row.checked != old.checked:
            self.require(task_id in self.facts, "what is settled as answered has a fact", task_id)
        elif row.attempts == old.attempts:
            self.require(
                row.error is not None and self._was_failure_its_own(task_id, process),
                "no attempt is counted for trouble of the run",
                f"{task_id} in {process.name}: {row.error}",
            )
        else:
            self.require(
                row.attempts == old.attempts - 1 and row.state == old.state,
                "a released task is as it was",
                f"{old} to {row}",
            )

    def _was_failure_its_own(self, task_id, process):
        """Return whether KooDrive failed for a task while it answered about others in the same run."""
        asked = self._night.api.by_task[task_id]
        failed_at = [each.at for each in asked if each.by is process and each.kind not in {"answer", "drift"}]
        answered = self._night.api.answered[process]
        return bool(failed_at) and bool(answered) and answered[-1] >= failed_at[0]

    def _require_justified(self, old, process):
        """Require that a task is given up only by KooDrive's own words, or after so many runs."""
        task_id = old.task_id
        letter = self.letters.get(task_id)
        self.require(letter is not None, "a dead task has a dead letter", task_id)
        kinds = Counter(each.kind for each in self._night.api.by_task[task_id])
        own_words = {
            "invalid_id": not task_id.isdigit(),
            "not_found": kinds["not_found"] >= 1,
            "forbidden": kinds["forbidden"] >= 1 or kinds["foreign_403"] >= 6,
            "bad_payload": kinds["malformed"] >= 2 or sum(kinds[each] for each in FOREIGN) >= 6,
            "rejected": sum(kinds[each] for each in FOREIGN) >= 6,
            "exhausted": old.attempts > max(3, self._scenario.dead_letter_after)
            or (old.attempts >= self._scenario.dead_letter_after and self._was_failure_its_own(task_id, process)),
        }
        reason = letter[1]
        self.require(
            own_words.get(reason, False),
            "nothing is given up but by KooDrive's own words",
            f"{task_id}: {reason} after {old.attempts} claims and {dict(kinds)}",
        )

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
        self.require(by_task.keys() == facts.keys(), "each fact has a history", f"{by_task.keys() ^ facts.keys()}")
        for task_id, rows in by_task.items():
            self._look_at_history(facts[task_id], rows)

    def _note_late(self, history):
        """Remember whether an answer took its place before others."""
        last = {row[0]: row[1] for row in self._history}
        known = {(row[0], row[1]) for row in self._history}
        now = {(row[0], row[1]) for row in history}
        self._has_late_answers |= bool(known - now) or any(at < last.get(task, "") for task, at in now - known)

    def _look_at_history(self, fact, rows):
        task_id = fact[0]
        given = {(status, code) for _, status, code in self._night.api.given[task_id]}
        before = (None, None)
        for _, _, previous_status, status, previous_code, code in rows:
            self.require((status, code) in given, "no fact that the API did not give", f"{task_id}: {status}, {code}")
            self.require((previous_status, previous_code) == before, "the history has no gap", f"{rows}")
            self.require((status, code) != before, "the history repeats nothing", f"{rows}")
            before = status, code
        self.require(before == fact[1:3], "the last change is the fact", f"{fact} after {rows}")
        self.require(
            fact[3] == rows[0][1] and fact[4] == rows[-1][1] and fact[5] >= fact[4],
            "the times of a fact are those of its history",
            f"{fact} after {rows}",
        )

    def _look_at_letters(self):
        self.letters = {row[0]: row for row in self._night.database_of("warehouse").rows(LETTERS)}

    def _look_at_runs(self):
        runs = {row[0]: row for row in self._night.database_of("warehouse").rows(RUNS)}
        for run_id, row in runs.items():
            if row == self.runs.get(run_id):
                continue
            _, outcome, _, claimed, audited, changed, unchanged, dead, released = row
            self.require(audited == changed + unchanged, "the row of a run balances", f"{row}")
            self.require(
                outcome == "running" or claimed == audited + dead + released, "the row of a run balances", f"{row}"
            )
        self.runs = runs

    def look_at_request(self, task_id, process):
        """Look at a request: without faults, a run asks only about what it holds."""
        row = self.queue.get(task_id)
        if self._asks_only_about_held:
            self.require(
                row is not None and row.owner == process.run_id, "a run asks only about what it holds", f"{row}"
            )

    # At the end of a run

    def note_step(self):
        self._steps.append(self._night.loop.time())

    def note_death(self, process):
        self._stopped_at.pop(process, None)

    def note_stop(self, process):
        self._stopped_at.setdefault(process, self._night.loop.time())

    def note_end(self, process, finished):
        """Look at what a run has left, given its row; None if it could not begin."""
        now = self._night.loop.time()
        is_quiet = not self._scenario.database_faults and not self._has_freezes
        if process in self._stopped_at and is_quiet:
            seconds = now - self._stopped_at[process]
            self.require(seconds < 12, "a run stops in time", f"{process.name} took {seconds:.0f} s")
        held = [row.task_id for row in self.queue.values() if row.owner == process.run_id]
        if is_quiet or (finished is not None and finished.run.exit_code in {0, 65}):
            self.require(not held, "a run that ends gives back what it holds", f"{process.name}: {held}")
        if finished is None:
            return
        self.require(finished.run.exit_code != 70, "no run is a bug", f"{finished.run.error}")
        if finished.run.exit_code in {0, 65} and self._are_times_exact:
            self._require_nothing_due(process, finished.run)

    def _require_nothing_due(self, process, run):
        looked_at = process.last.get("count_leased", 0.0)
        began = run.started_at.strftime("%Y-%m-%d %H:%M:%S.%f")
        for row in self.queue.values():
            is_mine = row.state == "pending" and (row.checked is None or row.checked < began)
            times = [self._virtual(each) for each in (row.until, row.due) if each is not None]
            due_since = max([self._changed_at[row.task_id], *times])
            self.require(
                not is_mine or due_since >= looked_at - CLOCK_ERROR,
                "a run that ends well leaves nothing due",
                f"{process.name} leaves {row}",
            )

    def look_at_calm_run(self, number, exit_code):
        """Require that a run without faults ends well; only tasks that KooDrive never answers about may be left."""
        left = [row.task_id for row in self.queue.values() if row.state == "pending"]
        ends_well = exit_code in {0, 65} or all(task_id in self._night.api.curses for task_id in left)
        self.require(ends_well, "a run after the storm ends well", f"calm run {number} ends with {exit_code}: {left}")

    # At the end of the night

    def look_at_the_end(self):
        for row in self.queue.values():
            task_id, fact = row.task_id, self.facts.get(row.task_id)
            # A run that asks about finished tasks again may die, and leave its leases to another such run.
            is_held = row.owner is not None and row.state == "pending"
            self.require(not is_held, "no task is held after the night", f"{row}")
            self.require(row.state in {"done", "dead"}, "every task ends", f"{row}")
            if row.state == "dead":
                self.require(task_id in self.letters, "a dead task has a dead letter", f"{row}")
            else:
                end = self._night.api.end_of(task_id)
                self.require(fact[1:3] == end, "a finished fact is what KooDrive says at the end", f"{fact}, not {end}")
        changed = sum(row[5] for row in self.runs.values())
        if not self._has_late_answers and self._are_times_exact:
            self.require(
                changed == len(self._history), "each change is counted once", f"{changed} of {len(self._history)}"
            )
        require_rate(self, self._night.api.asked, max_rate=self._scenario.max_rate, steps=self._steps)
        require_retries(self, self._night.api.asked)

    # Times

    def _seconds_until(self, text):
        return (_instant(text) - self._night.wall()).total_seconds()

    def _virtual(self, text):
        return self._night.loop.time() + self._seconds_until(text)


def _instant(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)

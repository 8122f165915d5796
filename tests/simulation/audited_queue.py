"""Audits what runs write to the queue: claims, renewals, releases and settlements."""

from collections import Counter
from datetime import UTC, datetime

from etl.tasks.detail import TERMINAL_STATUSES
from tests.simulation.api import FOREIGN, OWN, PASSING
from tests.simulation.loop import PROCESS
from tests.simulation.tables import QUEUE, Row

TERMINAL = {int(status) for status in TERMINAL_STATUSES}

CLOCK_ERROR = 0.2
"""The seconds by which a run's clock may differ from the database's without a fault."""

HOLDS = "a run writes only what it holds"


class QueueAuditor:
    """The auditor of the queue of one night."""

    def __init__(self, night, require, *, warehouse):
        self._night = night
        self._scenario = night.scenario
        self._require = require
        self._warehouse = warehouse
        self.rows = {}
        self.changed_at = {}
        """When each row last changed, in virtual seconds."""
        self.claimed_at = {}
        """When each row was last claimed, in virtual seconds."""
        self.claims = []
        """Each claim of a task: when it was committed, the process and the task."""

    def begin(self):
        self.rows = self._read()
        self.changed_at = dict.fromkeys(self.rows, self._night.loop.time())

    @property
    def is_all_settled(self):
        return all(row.state in {"done", "dead"} and row.owner is None for row in self.rows.values())

    def look(self):
        """Look at the rows that a commit has changed."""
        before, self.rows = self.rows, self._read()
        if before == self.rows:
            return
        process = PROCESS.get()
        for task_id in before.keys() - self.rows.keys():
            self._require(process is None and before[task_id].state == "done", "no task is lost", f"{task_id} is gone")
        for task_id, row in self.rows.items():
            old = before.get(task_id)
            if old == row:
                continue
            self.changed_at[task_id] = self._night.loop.time()
            if old is not None and process is not None:
                self._look_at_write(old, row, process)
            if row.state == "done":
                self._require_finished(task_id)

    def look_at_request(self, task_id, process):
        """Look at a request: without faults, a run asks only about what it holds."""
        row = self.rows.get(task_id)
        if self._scenario.is_without_faults:
            is_held = row is not None and row.owner == process.run_id
            self._require(is_held, "a run asks only about what it holds", f"{row}")

    def seconds_until(self, text):
        """Return the seconds until a time in the queue, by the clock of the job."""
        return (datetime.fromisoformat(text).replace(tzinfo=UTC) - self._night.wall()).total_seconds()

    def _read(self):
        return {row[0]: Row(*row) for row in self._night.database_of("queue").rows(QUEUE)}

    def _require_finished(self, task_id):
        fact = self._warehouse.facts.get(task_id)
        is_finished = fact is not None and fact[1] in TERMINAL
        self._require(is_finished, "a done task has a finished fact", f"{task_id} has {fact}")

    def _look_at_write(self, old, row, process):
        """Look at what a run has written to a row."""
        task_id = row.task_id
        self._require(row.fence >= old.fence, "a fence never falls", f"{task_id}: {old.fence} to {row.fence}")
        if row.fence != old.fence:
            self._look_at_claim(old, row, process)
            return
        self._require(old.owner == process.run_id, HOLDS, f"{process.name} writes {task_id}, which {old.owner} holds")
        if self._keeps_leases:
            left = self.seconds_until(old.until)
            self._require(left > -CLOCK_ERROR, "a run keeps its leases", f"{task_id}, {-left:.1f} s after its end")
        if row.owner is not None:
            is_longer = row.until >= old.until or not self._scenario.are_times_exact
            self._require(is_longer, "a renewal prolongs a lease", task_id)
            self._require(row[1:4] == old[1:4], "a renewal changes only the end of a lease", task_id)
        else:
            self._look_at_settlement(old, row, process)

    @property
    def _keeps_leases(self):
        """Whether nothing keeps a run from renewing its leases in time."""
        scenario = self._scenario
        return scenario.are_times_exact and not scenario.has_freezes and not scenario.database_faults

    def _look_at_claim(self, old, row, process):
        task_id = row.task_id
        self.claimed_at[task_id] = self._night.loop.time()
        self.claims.append((self._night.loop.time(), process, task_id))
        self._require(
            row.owner == process.run_id and row.fence == old.fence + 1 and row.attempts == old.attempts + 1,
            "a claim takes the next fence and one attempt",
            f"{old} to {row}",
        )
        self._require(old.owner != process.run_id, "no run takes what it holds itself", f"{process.name}: {task_id}")
        if not self._scenario.are_times_exact:
            return
        seconds = self.seconds_until(row.until)
        is_a_lease = abs(seconds - self._scenario.lease_seconds) < 1
        self._require(is_a_lease, "a claim lasts as long as a lease", f"{task_id} for {seconds:.1f} s")
        if old.owner is not None:
            left = self.seconds_until(old.until)
            is_over = left <= CLOCK_ERROR
            self._require(is_over, "no run takes what another holds", f"{task_id}, {left:.1f} s before its end")
            owner = self._night.processes.get(old.owner)
            is_lost = self._keeps_leases and owner is not None and owner.is_alive
            self._require(not is_lost, "a run keeps its leases", f"{process.name} takes {task_id} from {owner}")
        if old.due is not None and old.state == "pending" and not process.refetch:
            early = self.seconds_until(old.due)
            self._require(early <= CLOCK_ERROR, "no run takes what is not due", f"{task_id}, {early:.1f} s early")

    def _look_at_settlement(self, old, row, process):
        task_id = row.task_id
        if row.state == "dead":
            self._require_justified(old, process)
        elif row.error is None and row.attempts == 0 and row.checked != old.checked:
            self._require(task_id in self._warehouse.facts, "what is settled as answered has a fact", task_id)
        elif row.attempts == old.attempts:
            self._require(
                row.error is not None and self._was_failure_its_own(task_id, process),
                "no attempt is counted for trouble of the run",
                f"{task_id} in {process.name}: {row.error}",
            )
        else:
            is_released = row.attempts == old.attempts - 1 and row.state == old.state
            self._require(is_released, "a released task is as it was", f"{old} to {row}")

    def _was_failure_its_own(self, task_id, process):
        """Return whether KooDrive failed for a task while it answered about others in the same run."""
        asked = self._night.api.by_task[task_id]
        failed_at = [each.at for each in asked if each.by is process and each.kind in PASSING | OWN]
        answered = self._night.api.answered[process]
        return bool(failed_at) and bool(answered) and answered[-1] >= failed_at[0]

    def _may_have_killed(self, task_id):
        """Return whether a run that has claimed a task was killed."""
        return any(process.is_dead for _, process, each in self.claims if each == task_id)

    def _require_justified(self, old, process):
        """Require that a task is given up only by KooDrive's own words, or after so many runs."""
        task_id = old.task_id
        letter = self._warehouse.letters.get(task_id)
        self._require(letter is not None, "a dead task has a dead letter", task_id)
        kinds = Counter(each.kind for each in self._night.api.by_task[task_id])
        foreign = sum(kinds[each] for each in FOREIGN)
        own_words = {
            "invalid_id": not task_id.isdigit(),
            "not_found": kinds["not_found"] >= 1,
            "forbidden": kinds["forbidden"] >= 1 or kinds["foreign_403"] >= 6,
            "bad_payload": kinds["malformed"] >= 2 or foreign >= 6,
            "rejected": foreign >= 6,
            "exhausted": (old.attempts > max(3, self._scenario.dead_letter_after) and self._may_have_killed(task_id))
            or (old.attempts >= self._scenario.dead_letter_after and self._was_failure_its_own(task_id, process)),
        }
        reason = letter[1]
        self._require(
            own_words.get(reason, False),
            "nothing is given up but by KooDrive's own words",
            f"{task_id}: {reason} after {old.attempts} claims and {dict(kinds)}",
        )

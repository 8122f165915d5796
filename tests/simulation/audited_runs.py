"""Audits how runs end: when, with which exit code, and what they leave."""

from tests.simulation.audited_queue import CLOCK_ERROR

MAX_STOP_SECONDS = 7
"""The seconds that a run takes to stop, at most."""

PASSING_FAULTS = ("deadlock", "lost before commit", "lost after commit", "down")
"""Faults of a database after which a run repeats what it did."""

MAX_PASSING_FAULTS = 4
"""So many passing faults are no reason to end a run, which tries ten times."""


class RunAuditor:
    """The auditor of the runs of one night."""

    def __init__(self, night, require, *, queue):
        self._night = night
        self._scenario = night.scenario
        self._require = require
        self._queue = queue
        self._stopped_at = {}
        self.steps = []
        """When the job's clock stepped, in virtual seconds."""

    def note_step(self):
        self.steps.append(self._night.loop.time())

    def note_death(self, process):
        self._stopped_at.pop(process, None)

    def note_stop(self, process):
        self._stopped_at.setdefault(process, self._night.loop.time())

    def note_end(self, process, finished):
        """Look at what a run has left, given its row; None if it could not begin."""
        scenario, require = self._scenario, self._require
        is_quiet = not scenario.database_faults and not scenario.has_freezes
        if process in self._stopped_at and is_quiet:
            seconds = self._night.loop.time() - self._stopped_at[process]
            require(seconds < MAX_STOP_SECONDS, "a run stops in time", f"{process.name} took {seconds:.0f} s")
        held = [row.task_id for row in self._queue.rows.values() if row.owner == process.run_id]
        if self._can_give_back or (finished is not None and finished.run.exit_code in {0, 65}):
            require(not held, "a run that ends gives back what it holds", f"{process.name}: {held}")
        if finished is None:
            return
        run = finished.run
        require(run.exit_code != 70, "no run is a bug", f"{run.error}")
        require(run.exit_code != 78, "no run blames the settings or the rights", f"{run.error}")
        self._require_patience(run)
        if run.exit_code in {0, 65}:
            self._require_nothing_due(process, run)

    @property
    def _can_give_back(self):
        """Whether no fault of the queue keeps a run from releasing its tasks."""
        scenario = self._scenario
        is_sound = not any(scenario.shared or fault.database == "queue" for fault in scenario.database_faults)
        return is_sound and not scenario.has_freezes

    def _require_patience(self, run):
        """Require that a few faults that pass do not end a run."""
        faults = self._scenario.database_faults
        number = sum(fault.times for fault in faults)
        if number <= MAX_PASSING_FAULTS and all(fault.kind in PASSING_FAULTS for fault in faults):
            self._require("simulated: " not in str(run.error), "a passing fault ends no run", f"{run.error}")

    def _require_nothing_due(self, process, run):
        looked_at = process.last.get("count_others", 0.0)
        began = run.started_at.strftime("%Y-%m-%d %H:%M:%S.%f")
        for row in self._queue.rows.values():
            if row.state != "pending" or (row.checked is not None and row.checked >= began):
                continue
            if self._scenario.are_times_exact:
                times = [self._virtual(each) for each in (row.until, row.due) if each is not None]
                due_since = max([self._queue.changed_at[row.task_id], *times])
                is_later = due_since >= looked_at - CLOCK_ERROR
                self._require(is_later, "a run that ends well leaves nothing due", f"{process.name} leaves {row}")
            if row.owner is not None and row.due is None:
                is_later = self._queue.claimed_at.get(row.task_id, looked_at) >= looked_at
                self._require(is_later, "a run waits for what another holds", f"{process.name} leaves {row}")

    def _virtual(self, text):
        return self._night.loop.time() + self._queue.seconds_until(text)

    def look_at_calm_run(self, number, exit_code):
        """Require that a run without faults ends well; only tasks that KooDrive never answers about may be left."""
        left = [row.task_id for row in self._queue.rows.values() if row.state == "pending"]
        ends_well = exit_code in {0, 65} or all(task_id in self._night.api.curses for task_id in left)
        self._require(ends_well, "a run after the storm ends well", f"calm run {number} ends with {exit_code}: {left}")

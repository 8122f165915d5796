"""Kills runs, and audits what must be true after each."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager

from etl.fake_api import Behaviour, Fault
from tests.nights import FINISHED, OPEN, TOKEN, task_ids

LATENCY_SECONDS = 0.005
RUN = ("run", "--json", "--log-format", "json")


class Ledger:
    """An installation whose runs are killed, with the true state of its tasks."""

    def __init__(self, night, *, ids, unknown):
        self.night = night
        self.ids = ids
        self.unknown = unknown
        self.truth = {task_id: fact for task_id, fact in night.truth(ids).items() if task_id not in unknown}
        self.deaths = 0
        self.deaths_of_servers = 0
        self.runs = 0
        self.steps = 0
        """The steps of the clock; KooDrive refuses a request that it takes for old, and the run then asks again."""
        self._wrong = dict.fromkeys(("lost", "counted twice", "asked again"), 0)
        """The tasks that an audit found wrong."""
        self._asks_when_loaded = {}
        night.enqueue(*ids)

    @property
    def figures(self):
        """The numbers that the soak reports, by the heads of its table."""
        deaths, requests = self.deaths + self.deaths_of_servers, self.night.api.stats.requests
        return {"deaths": deaths, "tasks": len(self.ids), "requests": requests} | self._wrong

    @contextmanager
    def run(self, *, crash_at="", source_url=None, warehouse_url=None, file_size=None):
        """Start a run in its own process, perhaps with other databases or with files that cannot grow."""
        self.runs += 1
        own = {
            "TASK_AUDIT_CRASH_AT": crash_at,
            "TASK_AUDIT_SOURCE__URL": source_url,
            "TASK_AUDIT_WAREHOUSE__URL": warehouse_url,
        }
        environment = os.environ | {name: value for name, value in own.items() if value}
        process = self.night.start(*RUN, environment=environment, file_size=file_size)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    @contextmanager
    def run_behind(self, *prefix):
        """Start a run by another program."""
        self.runs += 1
        command = [*prefix, sys.executable, "-m", "etl", *RUN]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def crash(self, point):
        """Kill a run at a crash point, and audit what it leaves."""
        with self.run(crash_at=point) as process:
            stderr = process.communicate(timeout=600)[1]
            assert process.returncode == -signal.SIGKILL, f"{point}: {process.returncode}\n{stderr}"
        self.audit_killed()

    def kill_after(self, seconds):
        """Kill a run at any time, and audit what it leaves; returns whether it was still running."""
        with self.run() as process:
            time.sleep(seconds)  # another process is at work, on its own clock
            process.kill()
            process.wait()
            was_alive = process.returncode == -signal.SIGKILL
            assert was_alive or process.returncode in {0, 65}, process.returncode
        self.audit_killed()
        return was_alive

    def audit_killed(self):
        """Audit what a killed run has left, and end its leases."""
        self.deaths += 1
        self.night.wait_until_idle()
        self.audit()
        self.night.change("UPDATE pending_task SET lease_until = '2020-01-01 00:00:00' WHERE lease_until IS NOT NULL")

    def finish(self):
        """Run to the end, and audit that nothing is left to do."""
        self.runs += 1
        ended = self.night.run("run", "--json")
        assert ended.exit_code in {0, 65}, ended.stderr
        self.audit()
        states = self.night.states()
        assert self.night.facts() == self.truth
        done = {task_id for task_id, (status, _) in self.truth.items() if status in FINISHED}
        assert {task_id for task_id, state in states.items() if state == "done"} == done
        assert {task_id for task_id, state in states.items() if state == "dead"} == self.unknown
        leased = "SELECT COUNT(*) FROM pending_task WHERE lease_owner IS NOT NULL"
        assert self.night.rows(leased, "source") == [(0,)]

    def audit(self):
        """Check what is true at any time, after any kill."""
        facts, states = self.night.facts(), self.night.states()
        letters = {task_id for (task_id,) in self.night.rows("SELECT task_id FROM dead_letter")}
        # Nothing is lost: a task that is not pending has a fact or a dead letter.
        kept = {"done": facts, "dead": letters}
        self._require_none("lost", [task for task in self.ids if task not in kept.get(states.get(task), states)])
        assert states.keys() == set(self.ids)
        assert letters <= self.unknown
        # Nothing is guessed, and nothing is counted twice.
        assert facts.items() <= self.truth.items()
        changes = Counter(task_id for (task_id,) in self.night.rows("SELECT task_id FROM fact_task_status_change"))
        self._require_none("counted twice", [task for task, number in changes.items() if number > 1])
        assert changes.keys() == facts.keys()
        self._audit_runs(facts, letters)
        self._audit_requests(facts)

    def _require_none(self, wrong, tasks):
        self._wrong[wrong] += len(tasks)
        assert not tasks, f"{wrong}: {tasks}"

    def _audit_runs(self, facts, letters):
        runs = self.night.rows(
            "SELECT outcome, claimed, audited, changed, unchanged, dead_lettered, released FROM audit_run"
        )
        for outcome, claimed, audited, changed, unchanged, dead_lettered, released in runs:
            assert audited == changed + unchanged
            assert outcome == "running" or claimed == audited + dead_lettered + released
        assert sum(run[3] for run in runs) == len(facts)
        assert sum(run[5] for run in runs) >= len(letters)
        assert sum(run[0] == "running" for run in runs) <= self.deaths

    def _audit_requests(self, facts):
        """Check that no committed task is asked about again, except open ones."""
        asks = self.night.api.stats.asks
        finished = [task_id for task_id, (status, _) in facts.items() if status not in OPEN]
        loaded = self._asks_when_loaded
        self._require_none(
            "asked again", [task for task in finished if asks[task] > loaded.setdefault(task, asks[task])]
        )
        assert max((asks[task_id] for task_id in finished), default=0) <= self.deaths + 1 + self.steps
        assert max(asks.values(), default=0) <= self.runs + self.steps


@contextmanager
def opened(night_of, databases, *, tasks, **settings):
    """Set up an installation with so many tasks, one in forty of them unknown to the API."""
    ids = [*task_ids(tasks), "no ID"]
    unknown = {*ids[:-1:40], "no ID"}
    behaviour = Behaviour(
        token=TOKEN,
        latency_seconds=LATENCY_SECONDS,
        faults=(Fault(name="not_found", task_ids=frozenset(unknown - {"no ID"})),),
    )
    # The high bound keeps killed runs from making dead letters; another test kills runs by one task.
    rules = {"run__batch_size": 40, "run__dead_letter_after": 1_000, "api__concurrency": 8} | settings
    with night_of(behaviour, *databases, **rules) as night:
        yield Ledger(night, ids=ids, unknown=unknown)

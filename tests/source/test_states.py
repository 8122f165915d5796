"""Workers claim, renew, acknowledge, release and lose tasks in any order; a model of a few lines predicts the table."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from etl.errors import LeaseLostError
from etl.tasks import TaskState

WORKERS = ("one", "other", "third")
LEASE = timedelta(minutes=5)
ALLOWED = 5
ENDS = ["done", "open", "failed", "dead"]


@dataclass(frozen=True)
class Known:
    """A task in the model."""

    state: str = "pending"
    owner: str | None = None
    until: object = None
    fence: int = 0
    attempts: int = 0
    checked: object = None


class Machine(RuleBasedStateMachine):
    """Workers on a pending table, and a model of the rows that they should find."""

    board = None

    def __init__(self):
        super().__init__()
        self.board.clear()
        self.tasks = {}
        self.held = {worker: {} for worker in WORKERS}
        # On a server, a transaction sees what others have committed, and one for all comparisons is cheaper. In a file
        # it would keep the workers out.
        self.reader = None if self.board.engine.dialect.name == "sqlite" else self.board.engine.connect()
        self.begin()

    def teardown(self):
        if self.reader is not None:
            self.reader.close()

    def begin(self):
        self.board.now = self.board.now.replace(microsecond=0) + timedelta(minutes=1)
        self.began = self.board.now
        self.after = dict.fromkeys(WORKERS, "")
        self.after_expired = dict.fromkeys(WORKERS, "")
        self.queues = {worker: self.board.queue(worker) for worker in WORKERS}

    @rule(number=st.integers(1, 4))
    def enqueue(self, number):
        new = [str(100 + len(self.tasks) + each) for each in range(number)]
        self.board.add(*new)
        self.tasks |= dict.fromkeys(new, Known())
        self.compare()

    @rule(minutes=st.sampled_from([1, 3, 5]))
    def time_passes(self, minutes):
        self.board.now += timedelta(minutes=minutes)

    @rule()
    def a_new_night(self):
        self.begin()

    def due(self, *, wanted):
        return [
            task_id
            for task_id, known in sorted(self.tasks.items())
            if known.state == "pending" and wanted(known) and (known.checked is None or known.checked < self.began)
        ]

    def expected(self, worker, limit):
        """Return the oldest free tasks after the last claim, or from the start; otherwise so those of dead workers."""
        free = self.due(wanted=lambda known: known.until is None)
        expired = self.due(
            wanted=lambda known: (
                known.until and known.until <= self.board.now and known.attempts < ALLOWED - 1 and known.owner != worker
            )
        )
        found = self.next_of(free, self.after, worker, limit)
        return found or self.next_of(expired, self.after_expired, worker, limit)

    @staticmethod
    def next_of(tasks, after, worker, limit):
        found = ([task_id for task_id in tasks if task_id > after[worker]] or tasks)[:limit]
        after[worker] = found[-1] if found else ""
        return found

    def take(self, worker, tasks):
        for task in tasks:
            known = self.tasks[task.task_id]
            self.tasks[task.task_id] = replace(
                known, owner=worker, until=self.board.now + LEASE, fence=known.fence + 1, attempts=known.attempts + 1
            )
            assert (task.fence, task.attempts) == (known.fence + 1, known.attempts + 1)
            self.held[worker][task.task_id] = task

    @rule(worker=st.sampled_from(WORKERS), limit=st.integers(1, 5))
    def claim(self, worker, limit):
        tasks = self.queues[worker].claim(limit)
        assert [task.task_id for task in tasks] == self.expected(worker, limit)
        self.take(worker, tasks)
        self.compare()

    @rule(worker=st.sampled_from(WORKERS))
    def claim_suspect(self, worker):
        tasks = self.queues[worker].claim_suspect()
        suspects = self.due(
            wanted=lambda known: (
                known.until
                and known.until <= self.board.now
                and known.attempts >= ALLOWED - 1
                and known.owner != worker
            )
        )
        assert [task.task_id for task in tasks] == suspects[:1]
        self.take(worker, tasks)
        self.compare()

    def still(self, worker, task):
        known = self.tasks[task.task_id]
        return known.owner == worker and known.fence == task.fence

    @precondition(lambda self: any(self.held.values()))
    @rule(worker=st.sampled_from(WORKERS))
    def renew(self, worker):
        held = list(self.held[worker].values())
        lost = self.queues[worker].renew(held)
        assert lost == {task.task_id for task in held if not self.still(worker, task)}
        for task in held:
            if self.still(worker, task):
                self.tasks[task.task_id] = replace(self.tasks[task.task_id], until=self.board.now + LEASE)
        self.compare()

    @precondition(lambda self: any(self.held.values()))
    @rule(
        worker=st.sampled_from(WORKERS),
        number=st.integers(1, 5),
        end=st.sampled_from(["done", "open", "failed", "dead"]),
    )
    def settle(self, worker, number, end):
        tasks = [self.held[worker].pop(task_id) for task_id in sorted(self.held[worker])[:number]]
        state = {"done": TaskState.DONE, "open": TaskState.PENDING, "failed": None, "dead": TaskState.DEAD}[end]
        error = "why" if end in {"failed", "dead"} else None
        ours = [task for task in tasks if self.still(worker, task)]
        try:
            self.queues[worker].settle([self.board.settled(task, state, error=error) for task in tasks])
            assert ours == tasks
        except LeaseLostError:
            assert ours != tasks
        for task in ours:
            known = self.tasks[task.task_id]
            self.tasks[task.task_id] = replace(
                known,
                state=state or known.state,
                owner=None,
                until=None,
                attempts=task.attempts if error else 0,
                checked=self.board.now,
            )
        self.compare()

    @precondition(lambda self: any(self.held.values()))
    @rule(worker=st.sampled_from(WORKERS))
    def release(self, worker):
        held, self.held[worker] = list(self.held[worker].values()), {}
        self.queues[worker].release(held)
        for task in held:
            if self.still(worker, task):
                known = self.tasks[task.task_id]
                self.tasks[task.task_id] = replace(known, owner=None, until=None, attempts=known.attempts - 1)
        self.compare()

    @rule(worker=st.sampled_from(WORKERS))
    def die(self, worker):
        self.held[worker] = {}

    def compare(self):
        """Compare the table with the model after each rule that writes."""
        rows = self.board.rows() if self.reader is None else self.board.rows_seen_by(self.reader)
        assert {
            task_id: Known(
                state=row["state"],
                owner=row["lease_owner"],
                until=row["lease_until"],
                fence=row["fence"],
                attempts=row["attempts"],
                checked=row["last_checked_at"],
            )
            for task_id, row in rows.items()
        } == self.tasks


def on(board):
    return type("MachineOnBoard", (Machine,), {"board": board})


EXAMPLES = settings(max_examples=15, stateful_step_count=30)


def test_any_order_of_events_is_as_the_model_says(board):
    run_state_machine_as_test(on(board), settings=EXAMPLES)


@pytest.mark.soak
def test_five_hundred_orders_of_events(board):
    run_state_machine_as_test(on(board), settings=settings(EXAMPLES, max_examples=500, stateful_step_count=50))

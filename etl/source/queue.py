"""The job's own pending table: claims with a lease and a fence, so that any number of runs can share it.

A claim counts an attempt, and an answer clears the count. A run that dies therefore leaves its attempts behind, and a
task that is released unasked gets its attempt back. Every write after the claim names the owner and the fence: a run
that has lost or released a lease writes nothing.

A run claims the tasks of dead runs last, because one of them may have killed its run. At the last claim that it may
have, a task is claimed alone. A run claims texts that are no task IDs after all tasks, since a flood of them must not
take the time of a bounded night. A flood of valid IDs must not either: ``claim_order`` says how.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Table,
    Update,
    case,
    func,
    null,
    or_,
    select,
    update,
)

from etl.crash_points import crash_point
from etl.database.clock import Clock
from etl.errors import LeaseLostError, UnavailableError
from etl.source.bulk_update import bulk_update
from etl.source.claim_order import ClaimOrder, Part, Rows
from etl.source.conditions import was_checked_in_future
from etl.source.due_tasks import Conditions, DueTasks
from etl.source.engines import queue_sql_of
from etl.source.engines.base import Claim, Columns, Position, claimed_columns
from etl.source.rows import pending_task, settled_row, settled_values
from etl.source.sample import at_random, sample
from etl.source.tables import submitted_ms
from etl.source.waiting import waiting_tasks
from etl.tasks import PendingTask, Selection, Settlement, WaitingTasks

MAX_FENCE, MAX_ATTEMPTS = 2**62, 1_000_000
"""No run comes near these numbers. A row with a larger or a negative one was inserted so, and begins at 1 again."""

RANDOM_POSITIONS = 16
"""The positions that are read at once: to find them, the database passes over all new tasks."""


class Queue:
    """Tasks claimed from the pending table by one run."""

    def __init__(
        self,
        engine: Engine,
        table: Table,
        selection: Selection,
        *,
        owner: str,
        lease: timedelta,
        clock: Clock,
        claims_allowed: int,
    ) -> None:
        """Open the pending table for one run.

        Args:
            engine: the pending database.
            table: the pending table.
            selection: the tasks that this run asks about.
            owner: the ID of this run.
            lease: the time that a claim holds without a renewal.
            clock: the database's clock, whose times are aware and in UTC.
            claims_allowed: the number of claims without an answer that a task may have.
        """
        self._engine = engine
        self._table = table
        self._selection = selection
        self._owner = owner
        self._lease = lease
        self._clock = clock
        self._tasks = DueTasks(table, selection, began_at=clock(), lease=lease, claims_allowed=claims_allowed)
        self._order = ClaimOrder(self._tasks, claim=self._claim, random_positions=self._random_positions)
        self._in_doubt: datetime | None = None
        """The end of the leases of a claim that failed, but may have been committed."""

    def claim(self, limit: int, *, in_turns: bool = False) -> list[PendingTask]:
        """Take up to ``limit`` due tasks, new ones first, each oldest first; or of each part of the tasks in turn.

        After a claim that failed, it takes the tasks of that claim first.
        """
        claim = self._order.claim_in_turns if in_turns else self._order.claim
        return list(map(pending_task, self._recovered() or claim(limit)))

    def claim_suspect(self) -> list[PendingTask]:
        """Take one task that dead runs have held so often that this claim is its last, or beyond it."""
        return list(map(pending_task, self._recovered() or self._claim(1, Part(self._tasks.suspect))))

    def count(self) -> int:
        """Count the tasks that are due and that no run holds."""
        return self._count(*self._claimable(self._tasks.due(self._clock())))

    def sample(self) -> list[PendingTask]:
        """Read the newest due tasks, and some at random, held or not."""
        with self._engine.execution_options(read_only=True).connect() as connection:
            return sample(connection, self._table, self._tasks.selected(self._clock()))

    def can_claim(self) -> bool:
        """Lease one due task and take the lease back; returns false if the database ignores the lease.

        The task may be visible but not updatable, because of row level security, a trigger or a view. Claims skip
        locked rows, so this update waits for their locks.
        """
        task_id, now = self._table.c.task_id, self._clock()
        due = self._claimable(self._tasks.due(now))
        with self._engine.connect() as connection:
            seen = connection.execute(select(task_id).where(*due).limit(1)).scalar()
            if seen is None:
                return True
            lease = update(self._table).where(task_id == seen, *due).values(self._lease_values(now + self._lease))
            if connection.execute(lease).rowcount:
                connection.rollback()
                return True
            # Another run may have claimed the task meanwhile.
            return connection.execute(select(task_id).where(task_id == seen, *due)).scalar() is None

    def count_checked_in_future(self) -> int:
        """Count the due tasks whose last check is in the future, by the clock of the database."""
        now = self._clock()
        return self._count(*self._tasks.selected(now), was_checked_in_future(self._table, now))

    def count_held(self) -> int:
        """Count the due tasks that are leased to this run; after its end there are none."""
        return self._count(*self._tasks.selected(self._clock()), self._table.c.lease_owner == self._owner)

    def count_others(self) -> int:
        """Count the due tasks that this run does not hold, in one look at those of other runs and those of none.

        A task of no run was added or released after this run had counted the free ones, or another transaction still
        locks its row and claims skip it.
        """
        return self._count(*self._claimable(self._tasks.selected(self._clock())))

    def count_waiting(self) -> WaitingTasks:
        """Count the open tasks that are not due yet."""
        return waiting_tasks(self._engine, self._table, self._selection, now=self._clock())

    def renew(self, held: Sequence[PendingTask]) -> set[str]:
        """Prolong the leases of tasks that this run holds, and return the IDs of those that it has lost."""
        if self._update_held(held, lease_until=self._clock() + self._lease) == len(held):
            return set()
        columns = self._table.c
        query = select(columns.task_id, columns.fence).where(columns.lease_owner == self._owner)
        with self._engine.execution_options(read_only=True).connect() as connection:
            ours = {(task_id, fence) for task_id, fence in connection.execute(query)}
        return {task.task_id for task in held if (task.task_id, task.fence) not in ours}

    def settle(self, settlements: Sequence[Settlement], *, within: Connection | None = None) -> None:
        """Record the outcomes of the tasks that this run still holds.

        Raises:
            LeaseLostError: it does not hold all of them; in a transaction of its own, the others are settled.
        """
        if within is not None:
            settled = self._settle(within, settlements)
        else:
            with self._engine.begin() as connection:
                settled = self._settle(connection, settlements)
                crash_point("settling")
        if settled != len(settlements):
            raise LeaseLostError

    def release(self, held: Sequence[PendingTask]) -> None:
        """Release tasks, and take back the attempt that the claim counted."""
        self._update_held(held, lease_owner=null(), lease_until=null(), attempts=self._table.c.attempts - 1)

    def _count(self, *conditions: ColumnElement[bool]) -> int:
        query = select(func.count()).select_from(self._table).where(*conditions)
        with self._engine.execution_options(read_only=True).connect() as connection:
            return connection.execute(query).scalar_one()

    def _claim(self, limit: int, part: Part) -> Rows:
        now = self._clock()
        lease_until = now + self._lease
        claim = Claim(
            table=self._table,
            conditions=self._claimable(part.conditions(now)),
            states=self._tasks.states,
            position=self._position()[0],
            after=part.after,
            newest_first=part.is_newest_first,
            limit=limit,
            lease=self._lease_values(lease_until),
        )
        try:
            with self._engine.begin() as connection:
                rows = queue_sql_of(connection).claim(connection, claim)
                crash_point("claiming")
                return rows
        except UnavailableError:
            self._in_doubt = lease_until
            raise

    def _claimable(self, conditions: Conditions) -> Conditions:
        """Leave out what this run holds, even if the leases have ended: its renewal prolongs them, or finds them lost.

        Leases end early for a run that was suspended, and for one whose clock was set ahead.
        """
        owner = self._table.c.lease_owner
        return [*conditions, or_(owner.is_(None), owner != self._owner)]

    def _random_positions(self) -> list[Position]:
        with self._engine.execution_options(read_only=True).connect() as connection:
            found = at_random(connection, self._table, self._tasks.new(self._clock()), number=RANDOM_POSITIONS)
        return [(row.ms, row.task_id) for row in found]

    def _lease_values(self, lease_until: datetime) -> dict[str, Any]:
        return {
            "lease_owner": self._owner,
            "lease_until": lease_until,
            "fence": _next(self._table.c.fence, MAX_FENCE),
            "attempts": _next(self._table.c.attempts, MAX_ATTEMPTS),
        }

    def _recovered(self) -> Rows:
        """Read the tasks of a claim in doubt by the end of its leases, which no other claim of this run shares."""
        if self._in_doubt is None:
            return []
        columns = self._table.c
        query = (
            select(*claimed_columns(self._table, self._position()[0]))
            .where(columns.lease_owner == self._owner, columns.lease_until == self._in_doubt)
            .order_by(*self._position())
        )
        with self._engine.execution_options(read_only=True).connect() as connection:
            rows = connection.execute(query).all()
        self._in_doubt = None
        return rows

    def _position(self) -> tuple[ColumnElement[int], ColumnElement[str]]:
        return submitted_ms(self._table.c.submitted_at, self._table.c.task_id), self._table.c.task_id

    def _settle(self, connection: Connection, settlements: Sequence[Settlement]) -> int:
        def settled(row: Columns) -> Update:
            return self._of_held(row).values(settled_values(self._table, row))

        return bulk_update(connection, settled, sorted(map(settled_row, settlements), key=itemgetter("held_id")))

    def _update_held(self, held: Sequence[PendingTask], **values: Any) -> int:
        rows = [{"held_id": task.task_id, "held_fence": task.fence} for task in held]
        with self._engine.begin() as connection:
            return bulk_update(
                connection, lambda row: self._of_held(row).values(**values), sorted(rows, key=itemgetter("held_id"))
            )

    def _of_held(self, row: Columns) -> Update:
        table = self._table
        return update(table).where(
            table.c.task_id == row["held_id"], table.c.fence == row["held_fence"], table.c.lease_owner == self._owner
        )


def _next(number: ColumnElement[int], largest: int) -> ColumnElement[int]:
    """Return the number after one, or 1 after a number that no claim has written."""
    return case((number.between(0, largest - 1), number + 1), else_=1)

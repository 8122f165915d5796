"""The tasks that one run counts and claims, as conditions on the pending table."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Table, not_, or_

from etl.source.conditions import (
    has_ended,
    is_free,
    may_be_checked,
    was_asked_before,
    was_checked_in_future,
    within_range,
)
from etl.source.tables import is_task_id, submitted_ms
from etl.tasks import Selection, TaskState

Conditions = Sequence[ColumnElement[bool]]
"""Conditions that all hold."""

ConditionsAt = Callable[[datetime], Conditions]
"""The conditions at a given time by the database's clock."""


class DueTasks:
    """The conditions of the tasks of one run."""

    def __init__(
        self, table: Table, selection: Selection, *, began_at: datetime, lease: timedelta, claims_allowed: int
    ) -> None:
        """Describe the tasks of a run.

        Args:
            table: the pending table.
            selection: the tasks that the run asks about.
            began_at: the beginning of the run. A task that is still open after the run asked about it waits for the
                next.
            lease: the time that a claim of this run holds; a lease that would hold longer belongs to no run.
            claims_allowed: the number of claims without an answer that a task may have.
        """
        self._table = table
        self._selection = selection
        self._began_at = began_at
        self._lease = lease
        self._claims_allowed = claims_allowed

    @property
    def states(self) -> list[str]:
        """The states of the tasks that the run asks about."""
        states = [TaskState.PENDING, TaskState.DONE] if self._selection.refetch else [TaskState.PENDING]
        return [str(state) for state in states]

    def selected(self, now: datetime) -> Conditions:
        """Select the tasks that are due, whether another run holds them or not."""
        columns = self._table.c
        checked_at = columns.last_checked_at
        return [
            columns.state.in_(self.states),
            may_be_checked(self._table, self._selection, now),
            or_(checked_at.is_(None), checked_at < self._began_at, was_checked_in_future(self._table, now)),
            *within_range(submitted_ms(columns.submitted_at, columns.task_id), self._selection),
        ]

    def due(self, now: datetime) -> Conditions:
        """Select the due tasks that no run holds."""
        return [*self.selected(now), is_free(self._table, now, lease=self._lease)]

    def new(self, now: datetime) -> Conditions:
        """Select the due tasks that no run holds or held when it died, and that KooDrive has not answered about."""
        return [*self._unleased(now), is_task_id(self._table.c.task_id), not_(was_asked_before(self._table))]

    def asked_before(self, now: datetime) -> Conditions:
        """Select the due tasks that no run holds or held when it died, and that were still open at the last look."""
        return [*self._unleased(now), is_task_id(self._table.c.task_id), was_asked_before(self._table)]

    def invalid(self, now: datetime) -> Conditions:
        """Select the rows whose text is no task ID."""
        return [*self._unleased(now), not_(is_task_id(self._table.c.task_id))]

    def left_behind(self, now: datetime) -> Conditions:
        """Select the due tasks that a run held when it died."""
        return [*self._left(now), self._table.c.attempts < self._claims_allowed - 1]

    def suspect(self, now: datetime) -> Conditions:
        """Select the due tasks that so many dead runs have held that one of these tasks may have killed them."""
        return [*self._left(now), self._table.c.attempts >= self._claims_allowed - 1]

    def _unleased(self, now: datetime) -> Conditions:
        return [*self.selected(now), self._table.c.lease_until.is_(None)]

    def _left(self, now: datetime) -> Conditions:
        return [*self.selected(now), has_ended(self._table, now, lease=self._lease)]

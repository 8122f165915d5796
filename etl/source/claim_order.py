"""The order of a run's claims: the oldest new tasks first, or the parts of the due tasks in turns.

The program that adds tasks chooses their IDs and times, and thus their places in the order.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from etl.source.due_tasks import ConditionsAt, DueTasks
from etl.source.engines.base import Position

Rows = Sequence[Row[Any]]


@dataclass(slots=True, eq=False)
class Part:
    """A part of the due tasks, with an order of its own."""

    conditions: ConditionsAt
    is_newest_first: bool = False
    after: Position | None = None
    """The position where the last claim ended, so that the next one need not pass over the rows before it."""


ClaimPart = Callable[[int, Part], Rows]
"""Claims up to so many tasks of a part after its position."""


class ClaimOrder:
    """Chooses the part of the due tasks that the next claim takes its tasks from."""

    def __init__(self, tasks: DueTasks, *, claim: ClaimPart, random_positions: Callable[[], list[Position]]) -> None:
        """Begin at the oldest new task.

        Args:
            tasks: the tasks of the run.
            claim: claims tasks of a part.
            random_positions: returns the positions of some of the new tasks, each with the same probability. It may
                pass over all of them.
        """
        self._claim = claim
        self._random_positions = random_positions
        self._positions: list[Position] = []
        """Random positions that no claim has begun at yet."""
        self._new, self._asked_before = Part(tasks.new), Part(tasks.asked_before)
        self._left_behind, self._invalid = Part(tasks.left_behind), Part(tasks.invalid)
        self._random = Part(tasks.new)
        self._is_at_new = True
        """Whether the next claim looks for new tasks first."""
        newest = Part(tasks.new, is_newest_first=True)
        self._turns = deque([newest, self._asked_before, self._left_behind, self._random, self._new])

    def claim(self, limit: int) -> Rows:
        """Claim the oldest tasks: new ones, then those asked about before, and then those of dead runs."""
        return (
            self._claim_never_held(limit)
            or self._claim_next(limit, self._left_behind)
            or self._claim(limit, self._invalid)
        )

    def claim_in_turns(self, limit: int) -> Rows:
        """Claim from the part whose turn it is; a part without tasks has no more turns."""
        while self._turns:
            part = self._turns[0]
            if part is self._random:
                self._positions = self._positions or self._random_positions()
                part.after = self._positions.pop() if self._positions else None
            if rows := self._claim_next(limit, part):
                self._turns.rotate(-1)
                return rows
            self._turns.popleft()
        return self.claim(limit)

    def _claim_never_held(self, limit: int) -> Rows:
        parts = [self._new, self._asked_before]
        for part in parts if self._is_at_new else parts[::-1]:
            if rows := self._claim_next(limit, part):
                self._is_at_new = part is self._new
                return rows
        self._is_at_new = True
        return []

    def _claim_next(self, limit: int, part: Part) -> Rows:
        rows = self._claim(limit, part)
        if not rows and part.after is not None:
            # Other runs may have released tasks before the position meanwhile.
            part.after = None
            rows = self._claim(limit, part)
        part.after = (rows[-1].ms, rows[-1].task_id) if rows else None
        return rows

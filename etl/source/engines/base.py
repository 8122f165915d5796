"""The base of the engines' statements: the form that most engines understand."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    FromClause,
    Index,
    Row,
    Table,
    Update,
    case,
    cast,
    column,
    literal,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.types import TypeEngine

from etl.database.types import UtcDateTime

Position = tuple[int, str]
"""The place of a task in the order of claims: its milliseconds of submission, and its ID."""

Columns = Mapping[str, ColumnElement[Any]]
"""The values of one row of an update, by name."""

MAX_LOOKS = 40
"""A second doubles to a day in 17 looks; more looks change nothing."""

Compile = Callable[[ColumnElement[Any]], str]

Period = Callable[[FromClause, Sequence[int]], ColumnElement[int]]
"""Makes an expression of the pending table and of milliseconds from 1970 in ascending order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The rows that one claim takes, and the values that it writes."""

    table: Table
    conditions: Sequence[ColumnElement[bool]]
    """The conditions of a due row, the state among them."""
    states: Sequence[str]
    """The states of a due row; each has an order of its own in the index."""
    position: ColumnElement[int]
    """The milliseconds of submission, by which the index is ordered within a state."""
    after: Position | None
    """The position where the last claim ended."""
    newest_first: bool
    limit: int
    lease: Mapping[str, Any]
    """The values that a claim writes, by column."""

    @property
    def order(self) -> Sequence[ColumnElement[Any]]:
        """The order of the rows, which the index has in both directions."""
        columns = self.position, self.table.c.task_id
        return [column.desc() for column in columns] if self.newest_first else columns


class QueueSql(ABC):
    """The statements of the pending table in the SQL of one engine."""

    random_sql = "random()"
    """The SQL of a random number."""

    period: Period | None = None
    """How many of some times are not later than a task's submission, by comparisons alone; None if the engine takes the
    position of a row from the index or from a column. It may be any number for a task whose position is 0."""

    def prefer_index(self, connection: Connection) -> None:  # noqa: B027 - most engines do so by themselves
        """Make the rest of the transaction read ranges of submission times from the index."""

    def prefer_pass(self, connection: Connection) -> None:  # noqa: B027 - the same
        """Make the rest of the transaction count many rows in one pass, by the table or by the index."""

    def claim(self, connection: Connection, claim: Claim) -> Sequence[Row[Any]]:
        """Take the first rows that meet the conditions, and write the lease into them.

        Args:
            connection: a connection within a transaction.
            claim: the rows and the lease.

        Returns:
            The ``claimed_columns`` after the claim, in order.
        """
        due = self._due(claim)
        table = claim.table
        claimed = (
            update(table)
            .where(table.c.task_id.in_(select(due.c.task_id)))
            .values(**claim.lease)
            .returning(*claimed_columns(table, claim.position))
        )
        return sorted(connection.execute(claimed).all(), key=itemgetter(4, 0), reverse=claim.newest_first)

    def bulk_update(
        self,
        connection: Connection,
        statement: Callable[[Columns], Update],
        rows: Sequence[Mapping[str, Any]],
        types: Mapping[str, TypeEngine[Any]],
    ) -> int:
        """Update all rows by one statement, which receives them as one JSON array.

        Args:
            connection: a connection within a transaction.
            statement: a function that makes the update from a row's columns.
            rows: at least one row: values by name, with the same names in all.
            types: the types of the values, by name.

        Returns:
            How many rows of the table it updated.
        """
        names = list(rows[0])
        columns = (column(name, types[name]) for name in names)
        given = text(self.json_rows({name: types[name] for name in names})).columns(*columns).subquery("held").c
        array = msgspec.json.encode(list(map(self.json_row, rows))).decode()
        return connection.execute(statement({name: given[name] for name in names}), {"rows": array}).rowcount

    @abstractmethod
    def json_rows(self, types: Mapping[str, TypeEngine[Any]]) -> str:
        """Return a SELECT of the rows in the JSON array ``:rows``, with a column of each type under its name."""

    def json_row(self, row: Mapping[str, Any]) -> object:
        """Return the element of the array for one row, with times and nulls as the engine reads them."""
        return row

    def position(self, submitted_at: ColumnElement[Any], task_id: ColumnElement[str], compiled: Compile) -> str:
        """Return the SQL of ``submitted_ms``.

        Args:
            submitted_at: the time of submission, which may be null.
            task_id: the task ID.
            compiled: a function that returns the SQL of an expression.
        """
        return self.position_sql(compiled(submitted_at), compiled(task_id))

    @abstractmethod
    def is_id_sql(self, key: str) -> str:
        """Return the SQL condition that a text is a task ID: 1 to 19 ASCII digits."""

    @abstractmethod
    def position_sql(self, time: str, key: str) -> str:
        """Return the SQL of ``submitted_ms`` for the SQL of a time and of a task ID."""

    def instant(self, value: ColumnElement[Any], compiled: Compile) -> str:
        """Return the SQL of ``as_instant`` for a value."""
        return compiled(cast(value, UtcDateTime))

    def readable_instant(self, value: ColumnElement[Any], compiled: Compile) -> str:
        """Return the SQL of ``as_readable_instant`` for a value."""
        return self.instant(value, compiled)

    def create_due_index(self, connection: Connection, table: Table, position: ColumnElement[int]) -> None:
        """Create the index that holds the order of claims, within the revision that creates the table."""
        Index(f"{table.name}_due", table.c.state, position, table.c.task_id).create(connection)

    def renew_due_index(self, connection: Connection, table: Table, position: ColumnElement[int]) -> None:  # noqa: B027 - no others
        """Create the index again if its expression may have called a function of another user; within a revision."""

    def bound_ids(self, connection: Connection, table: Table, *, characters: int) -> None:  # noqa: B027 - no others
        """Refuse texts of more characters as IDs, and shorten those that are there; within a revision."""

    def time_condition(self) -> str:
        """Return the CHECK of ``submitted_at``: one row with a time that no reader can read would stop every run."""
        return "submitted_at BETWEEN '0002-01-01' AND '9999-12-31'"

    def _due(self, claim: Claim) -> CTE:
        order = tuple_(claim.position, claim.table.c.task_id)
        due = select(claim.table.c.task_id).where(*claim.conditions)
        if claim.after is not None:
            after = tuple_(*map(literal, claim.after))
            due = due.where(order < after if claim.newest_first else order > after)
        return due.order_by(*claim.order).limit(claim.limit).with_for_update(skip_locked=True).cte("due")


def claimed_columns(table: Table, position: ColumnElement[int]) -> tuple[ColumnElement[Any], ...]:
    """Return the columns that a claim reads; the position is ``ms``."""
    columns = table.c
    of_claim = columns.task_id, columns.submitted_at, columns.attempts, columns.fence, position.label("ms")
    return *of_claim, *looked_at(table)


def looked_at(table: Table) -> tuple[ColumnElement[Any], ...]:
    """Return the columns that tell what the looks at a task have found."""
    looks = table.c.unchanged_looks
    # Another program may have inserted any number.
    bounded = case((looks.between(0, MAX_LOOKS), looks), (looks > MAX_LOOKS, MAX_LOOKS), else_=0)
    return table.c.last_status, bounded.label("unchanged_looks")

"""Deletes tasks from the pending table that ended long ago."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Engine, Table, and_, delete, select

from etl.tasks import TaskState

CHUNK_ROWS = 5_000
"""The tasks of one transaction, at most."""


def done_tasks(engine: Engine, table: Table, *, before: datetime) -> Iterator[Sequence[str]]:
    """Yield the IDs of the done tasks that KooDrive last answered about before an instant, in order and in chunks."""
    query = select(table.c.task_id).where(_is_done(table, before)).order_by(table.c.task_id).limit(CHUNK_ROWS)
    last: str | None = None
    while True:
        beyond = query if last is None else query.where(table.c.task_id > last)
        with engine.execution_options(read_only=True).connect() as connection:
            chunk = connection.scalars(beyond).all()
        if not chunk:
            return
        yield chunk
        last = chunk[-1]


def delete_done(engine: Engine, table: Table, task_ids: Collection[str], *, before: datetime) -> int:
    """Delete those of the tasks that are still done since before an instant; returns their number."""
    if not task_ids:
        return 0
    with engine.begin() as connection:
        chosen = table.c.task_id.in_(sorted(task_ids))
        return connection.execute(delete(table).where(chosen, _is_done(table, before))).rowcount


def _is_done(table: Table, before: datetime) -> ColumnElement[bool]:
    return and_(table.c.state == str(TaskState.DONE), table.c.last_checked_at < before)

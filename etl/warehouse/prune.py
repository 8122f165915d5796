"""Deletes what no question about tasks needs any more: the counters of old runs, and messages that were sent."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Engine, and_, delete, func, select
from sqlalchemy.sql import Delete, Select

from etl.warehouse.tables import audit_run, audit_run_counter, notification

CHUNK_RUNS = 500
"""The runs whose rows one transaction deletes, at most."""


def count_counters(engine: Engine, *, before: datetime) -> int:
    """Count the counters of runs that started before an instant."""
    return _count(engine, _of_runs(before))


def delete_counters(engine: Engine, *, before: datetime) -> int:
    """Delete the counters of runs that started before an instant; returns their number. The rows of the runs stay."""
    return sum(
        _delete(engine, delete(audit_run_counter).where(audit_run_counter.c.run_id.in_(run_ids)))
        for run_ids in _chunks(engine, select(audit_run_counter.c.run_id).where(_of_runs(before)))
    )


def count_messages(engine: Engine, *, before: datetime) -> int:
    """Count the messages that were sent before an instant."""
    return _count(engine, notification.c.sent_at < before)


def delete_messages(engine: Engine, *, before: datetime) -> int:
    """Delete the messages that were sent before an instant; returns their number."""
    is_sent = notification.c.sent_at < before
    return sum(
        _delete(engine, delete(notification).where(and_(notification.c.run_id.in_(run_ids), is_sent)))
        for run_ids in _chunks(engine, select(notification.c.run_id).where(is_sent))
    )


def _of_runs(before: datetime) -> ColumnElement[bool]:
    return audit_run_counter.c.run_id.in_(select(audit_run.c.run_id).where(audit_run.c.started_at < before))


def _count(engine: Engine, condition: ColumnElement[bool]) -> int:
    with engine.execution_options(read_only=True).connect() as connection:
        return connection.execute(select(func.count()).where(condition)).scalar_one()


def _chunks(engine: Engine, run_ids: Select[str]) -> Iterator[Sequence[str]]:
    with engine.execution_options(read_only=True).connect() as connection:
        found = connection.scalars(run_ids.distinct().order_by("run_id")).all()
    return (found[start : start + CHUNK_RUNS] for start in range(0, len(found), CHUNK_RUNS))


def _delete(engine: Engine, statement: Delete) -> int:
    with engine.begin() as connection:
        return connection.execute(statement).rowcount

"""Corrects times that a run wrote while its clock was ahead.

An answer that a run has just received is newer than everything that the warehouse holds about its task. If the times
say otherwise, they are wrong: what the warehouse holds then moves to just before the answer, and keeps its order.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Column, ColumnElement, Connection, Text, Update, and_, bindparam, or_, select, text, update

from etl.database.clock import MAX_CLOCK_SKEW
from etl.database.engines.base import Engine
from etl.database.types import UtcDateTime
from etl.warehouse.load.statements import TERMINAL, fact, stage
from etl.warehouse.tables import dead_letter, dim_result_code, fact_task_status, fact_task_status_change
from etl.warehouse.temporary_tables import stage_facts

TICK = timedelta(microseconds=1)
"""The least difference of two times that every engine keeps."""

change, code, letter = fact_task_status_change.c, dim_result_code.c, dead_letter.c

log: structlog.stdlib.BoundLogger = structlog.get_logger()


def is_ahead(now: datetime) -> ColumnElement[bool]:
    """Return whether the fact about a staged task has a time that can only be wrong.

    The clocks of two machines may differ by ``MAX_CLOCK_SKEW``. Within that, times cannot tell which of two answers is
    the later one, but the answers can: a task that has ended does not open again.

    Args:
        now: the time by the clock that dated the staged answers, which the run has just received.
    """
    has_ended_since = and_(
        fact.last_checked_at > now - MAX_CLOCK_SKEW,
        fact.last_checked_at >= stage.observed_at,
        fact.status.not_in(TERMINAL),
        stage.status.in_(TERMINAL),
    )
    return or_(fact.last_checked_at > now + MAX_CLOCK_SKEW, has_ended_since)


def correct_staged(connection: Connection, engine: Engine, *, now: datetime) -> None:
    """Correct the facts and the dead letters of staged tasks, and their history."""
    seen = select(stage.task_id, stage.observed_at)
    facts = seen.join_from(stage_facts, fact_task_status, fact.task_id == stage.task_id).where(is_ahead(now))
    is_wrong = or_(_failed_after(now), _is_answered_since(now))
    letters = seen.join_from(stage_facts, dead_letter, letter.task_id == stage.task_id).where(is_wrong)
    _correct_facts(connection, engine, {row.task_id: row.observed_at for row in connection.execute(facts)})
    _correct_letters(connection, {row.task_id: row.observed_at for row in connection.execute(letters)})


def correct_failed(connection: Connection, engine: Engine, failed: Mapping[str, datetime], *, now: datetime) -> None:
    """Correct the facts and the dead letters of tasks that have just failed, and their history.

    Args:
        connection: a connection within the transaction of a load.
        engine: the engine of the warehouse.
        failed: the time of the failure by task ID, as the dead letter holds the ID.
        now: the time by the clock that dated the failures.
    """
    facts = select(fact.task_id).where(_is_asked(engine, fact.task_id), fact.last_checked_at > now + MAX_CLOCK_SKEW)
    letters = select(letter.task_id).where(_is_asked(engine, letter.task_id), _failed_after(now))
    _correct_facts(connection, engine, {each: failed[each] for each in connection.scalars(facts, _asked(failed))})
    _correct_letters(connection, {each: failed[each] for each in connection.scalars(letters, _asked(failed))})


def _failed_after(now: datetime) -> ColumnElement[bool]:
    latest = now + MAX_CLOCK_SKEW
    return or_(letter.last_failed_at > latest, letter.resolved_at > latest)


def _is_answered_since(now: datetime) -> ColumnElement[bool]:
    """Return whether a staged task has ended after a failure whose time is later, as two clocks may differ."""
    return and_(
        letter.resolved_at.is_(None),
        letter.last_failed_at > now - MAX_CLOCK_SKEW,
        letter.last_failed_at > stage.observed_at,
        stage.status.in_(TERMINAL),
    )


def _correct_letters(connection: Connection, answered: Mapping[str, datetime]) -> None:
    for column in (letter.first_failed_at, letter.last_failed_at, letter.resolved_at):
        _move_back(connection, letter.task_id, column, to={each: answered[each] - TICK for each in answered})


def _correct_facts(connection: Connection, engine: Engine, answered: Mapping[str, datetime]) -> None:
    """Move the facts and the changes of tasks to before the live answers about them, and log how many tasks.

    Args:
        connection: a connection within the transaction of a load.
        engine: the engine of the warehouse.
        answered: the time of the live answer by task ID.
    """
    if not answered:
        return
    log.warning("times_corrected", tasks=len(answered))
    changes = (
        select(change.task_id, change.observed_at, change.result_code)
        .where(_is_asked(engine, change.task_id))
        .order_by(change.task_id, change.observed_at.desc())
    )
    moves = []
    first: dict[str, datetime] = {}
    last: dict[str, datetime] = {}
    codes: dict[str, datetime] = {}
    for task_id, observed_at, result_code in connection.execute(changes, _asked(answered)):
        moved_to = min(observed_at, first.get(task_id, answered[task_id]) - TICK)
        first[task_id] = moved_to
        last.setdefault(task_id, moved_to)
        if result_code is not None:
            codes[result_code] = min(moved_to, codes.get(result_code, moved_to))
        if moved_to != observed_at:
            moves.append({"key": task_id, "written": observed_at, "moved_to": moved_to})
    if moves:
        # The earliest first: a row may move to where the row before it was.
        connection.execute(_move_change(), moves[::-1])
    _move_back(connection, fact.task_id, fact.first_seen_at, to=first)
    _move_back(connection, fact.task_id, fact.status_changed_at, to=last)
    _move_back(connection, fact.task_id, fact.last_checked_at, to={each: answered[each] - TICK for each in answered})
    _move_back(connection, code.result_code, code.first_seen_at, to=codes)


def _move_change() -> Update:
    is_row = and_(change.task_id == bindparam("key"), change.observed_at == bindparam("written", type_=UtcDateTime))
    return update(fact_task_status_change).where(is_row).values(observed_at=bindparam("moved_to", type_=UtcDateTime))


def _move_back(
    connection: Connection, key: Column[str], column: Column[datetime], *, to: Mapping[str, datetime]
) -> None:
    """Write an earlier time into the rows with given keys; an even earlier time stays."""
    moved_to = bindparam("moved_to", type_=UtcDateTime)
    moved = update(column.table).where(key == bindparam("key"), column > moved_to).values({column: moved_to})
    if to:
        connection.execute(moved, [{"key": each, "moved_to": to[each]} for each in sorted(to)])


def _is_asked(engine: Engine, key: Column[str]) -> ColumnElement[bool]:
    return key.in_(text(engine.rows_of_json("task_ids", "task_id")).columns(task_id=Text))


def _asked(task_ids: Iterable[str]) -> dict[str, str]:
    return {"task_ids": json.dumps(list(task_ids))}

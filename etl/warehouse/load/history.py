"""The set-based statements that insert late observations into the history.

An observation is late if the fact already rests on a newer one. After these statements the tables are the same as if
the observations had come in their own order. One difference remains: no table holds the times of repeated answers.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Delete,
    Executable,
    Insert,
    Select,
    Subquery,
    Text,
    Update,
    and_,
    case,
    func,
    literal,
    not_,
    or_,
    select,
    update,
)

from etl.database.engines.base import Engine
from etl.tasks.detail import CONTENT, FIELDS, Kind
from etl.warehouse.load.statements import TERMINAL, fact, stage
from etl.warehouse.tables import dim_result_code, fact_task_status, fact_task_status_change
from etl.warehouse.temporary_tables import stage_facts

change = fact_task_status_change.c

is_late = stage.observed_at < fact.last_checked_at
_is_as_known = and_(*(stage[name].is_not_distinct_from(fact[name]) for name in CONTENT))
_is_terminal = fact.status.in_(TERMINAL)


def correct_history(engine: Engine, *, run_id: str) -> Iterator[Executable]:
    """Yield the statements in the order in which they rely on each other.

    Args:
        engine: the engine of the warehouse.
        run_id: the ID of the run that made the late observations.
    """
    # A literal: SQLAlchemy turns a parameter that an UPDATE is executed with into one of its assignments.
    learnt_by = literal(run_id, Text)
    yield _insert_interrupted(engine)
    yield _insert_late(engine, learnt_by)
    yield _delete_repetitions(engine)
    yield _chain()
    yield _date_facts()
    yield _date_versions(learnt_by)


def count_late() -> Select[int]:
    """Count the staged rows that are late."""
    return (
        select(func.count())
        .select_from(stage_facts.join(fact_task_status, fact.task_id == stage.task_id))
        .where(is_late)
    )


def date_result_codes() -> Update:
    """Move the first sight of a result code back to the earliest observation."""
    earliest = (
        select(stage.result_code, func.min(stage.observed_at).label("seen_at")).group_by(stage.result_code).subquery()
    )
    return (
        update(dim_result_code)
        .where(dim_result_code.c.result_code == earliest.c.result_code)
        .where(earliest.c.seen_at < dim_result_code.c.first_seen_at)
        .values(first_seen_at=earliest.c.seen_at)
    )


def _insert_interrupted(engine: Engine) -> Insert:
    """Begin the last answer again at its last check if a late answer interrupts it."""
    begins_again = select(
        stage.task_id,
        fact.last_checked_at,
        stage.status,
        fact.status,
        stage.result_code,
        fact.result_code,
        fact.run_id,
    ).join_from(stage_facts, fact_task_status, fact.task_id == stage.task_id)
    another = or_(stage.status != fact.status, stage.result_code.is_distinct_from(fact.result_code))
    interrupted = begins_again.where(is_late, stage.observed_at > fact.status_changed_at, another)
    return engine.insert_missing(fact_task_status_change, interrupted)


def _insert_late(engine: Engine, run_id: ColumnElement[str]) -> Insert:
    """Add each late answer, unless the answer before it was the same, or of the same instant."""
    before, between = fact_task_status_change.alias("before"), fact_task_status_change.alias("between_them")
    is_last_before = not_(
        select(between.c.task_id)
        .where(between.c.task_id == stage.task_id)
        .where(between.c.observed_at > before.c.observed_at, between.c.observed_at <= stage.observed_at)
        .correlate(before, stage_facts)
        .exists()
    )
    same = and_(before.c.status == stage.status, before.c.result_code.is_not_distinct_from(stage.result_code))
    is_known = (
        select(before.c.task_id)
        .where(before.c.task_id == stage.task_id, before.c.observed_at <= stage.observed_at)
        .where(or_(before.c.observed_at == stage.observed_at, same), is_last_before)
        .correlate(stage_facts)
        .exists()
    )
    late = select(
        stage.task_id,
        stage.observed_at,
        # _chain corrects what came before.
        stage.status.label("previous_status"),
        stage.status,
        stage.result_code.label("previous_result_code"),
        stage.result_code,
        run_id,
    ).join_from(stage_facts, fact_task_status, fact.task_id == stage.task_id)
    return engine.insert_missing(fact_task_status_change, late.where(is_late, not_(is_known)))


def _delete_repetitions(engine: Engine) -> Delete:
    """Delete the rows that repeat the answer before them."""
    story = _story()
    repeats = and_(
        story.c.number > 1,
        story.c.status == story.c.status_before,
        story.c.result_code.is_not_distinct_from(story.c.result_code_before),
    )
    return engine.delete_found(fact_task_status_change, story, repeats)


def _chain() -> Update:
    """Make each change begin with what the one before it ended with."""
    story = _story()
    broken = or_(
        change.previous_status.is_distinct_from(story.c.status_before),
        change.previous_result_code.is_distinct_from(story.c.result_code_before),
    )
    return (
        update(fact_task_status_change)
        .where(change.task_id == story.c.task_id, change.observed_at == story.c.observed_at, broken)
        .values(previous_status=story.c.status_before, previous_result_code=story.c.result_code_before)
    )


def _date_facts() -> Update:
    """Copy from the history when a task was first seen, and when its status or result code last changed."""
    ends = (
        select(
            change.task_id,
            func.min(change.observed_at).label("first_seen_at"),
            func.max(change.observed_at).label("status_changed_at"),
        )
        .where(change.task_id.in_(_late_tasks()))
        .group_by(change.task_id)
        .subquery("ends")
    )
    moved = or_(fact.first_seen_at != ends.c.first_seen_at, fact.status_changed_at != ends.c.status_changed_at)
    return (
        update(fact_task_status)
        .where(fact.task_id == ends.c.task_id, moved)
        .values(first_seen_at=ends.c.first_seen_at, status_changed_at=ends.c.status_changed_at)
    )


def _date_versions(run_id: ColumnElement[str]) -> Update:
    """Attribute the version in a fact to the run that saw it first, and for a finished task to that instant, too."""
    began_earlier = or_(_is_terminal, stage.observed_at == fact.status_changed_at)
    others = [field.name for field in FIELDS if not field.is_content and field.kind is not Kind.ID]
    return (
        update(fact_task_status)
        .where(fact.task_id == stage.task_id, is_late, _is_as_known)
        .where(stage.observed_at >= fact.status_changed_at, began_earlier)
        # In MySQL an assignment sees those before it; none of these depends on another.
        .values(
            run_id=run_id,
            last_checked_at=case((_is_terminal, stage.observed_at), else_=fact.last_checked_at),
            **{name: case((_is_terminal, stage[name]), else_=fact[name]) for name in others},
        )
    )


def _late_tasks() -> Select[str]:
    return select(stage.task_id).join_from(stage_facts, fact_task_status, fact.task_id == stage.task_id).where(is_late)


def _story() -> Subquery:
    """Select the changes of the tasks with late observations, each beside the one before it."""
    window: dict[str, Any] = {"partition_by": change.task_id, "order_by": change.observed_at}
    return (
        select(
            change.task_id,
            change.observed_at,
            change.status,
            change.result_code,
            func.row_number().over(**window).label("number"),
            func.lag(change.status).over(**window).label("status_before"),
            func.lag(change.result_code).over(**window).label("result_code_before"),
        )
        .where(change.task_id.in_(_late_tasks()))
        .subquery("story")
    )

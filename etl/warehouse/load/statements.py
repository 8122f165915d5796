"""The set-based statements that turn a staged batch into facts and changes.

Each statement compares ``stage_facts`` with the facts as they are, and writes only differences: a repeated observation
of a finished task touches nothing, and an older observation never replaces a newer one. The statements rely on loads
that happen one at a time, which ``loader`` ensures.
"""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    FromClause,
    Insert,
    Select,
    Text,
    Update,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    text,
    update,
)

from etl.database.engines.base import Engine
from etl.tasks.detail import CONTENT, TERMINAL_STATUSES
from etl.warehouse.tables import audit_run, dead_letter, fact_task_status, fact_task_status_change
from etl.warehouse.temporary_tables import stage_dead_letters, stage_facts

fact, stage = fact_task_status.c, stage_facts.c

TERMINAL = [int(status) for status in TERMINAL_STATUSES]

_known: FromClause = stage_facts.outerjoin(fact_task_status, fact.task_id == stage.task_id)
_is_first = fact.task_id.is_(None)
_is_newer = stage.observed_at > fact.last_checked_at
_is_open = stage.status.not_in(TERMINAL)
_differs = or_(*(stage[name].is_distinct_from(fact[name]) for name in CONTENT))
_moved = or_(stage.status.is_distinct_from(fact.status), stage.result_code.is_distinct_from(fact.result_code))
_is_new_version = or_(_is_first, and_(_is_newer, _differs))

run_id = bindparam("run_id", type_=Text)


def count_batch() -> Select[int, int]:
    """Count the staged rows that make a new version of a fact, and those of tasks that are still open."""
    return select(
        func.count(case((_is_new_version, 1))).label("changed"),
        func.count(case((_is_open, 1))).label("still_open"),
    ).select_from(_known)


def insert_changes(engine: Engine) -> Insert:
    """Record every change of status or result code, the first observation included."""
    changes = select(
        stage.task_id,
        stage.observed_at,
        fact.status.label("previous_status"),
        stage.status,
        fact.result_code.label("previous_result_code"),
        stage.result_code,
        run_id,
    )
    news = changes.select_from(_known).where(or_(_is_first, and_(_is_newer, _moved))).order_by(stage.task_id)
    # The history may have a change of a task whose fact a person has deleted.
    return engine.insert_missing(fact_task_status_change, news)


def upsert_facts(engine: Engine) -> Insert:
    """Write new versions of facts, and the last check of tasks that are still open."""
    values: dict[str, ColumnElement[Any]] = {
        **{column.name: stage[column.name] for column in fact if column.name in stage},
        "first_seen_at": func.coalesce(fact.first_seen_at, stage.observed_at),
        "status_changed_at": case((or_(_is_first, _moved), stage.observed_at), else_=fact.status_changed_at),
        "last_checked_at": stage.observed_at,
        "run_id": case((or_(_is_first, _differs), run_id), else_=fact.run_id),
    }
    news = (
        select(*(value.label(name) for name, value in values.items()))
        .select_from(_known)
        .where(or_(_is_first, and_(_is_newer, or_(_differs, _is_open))))
        # All writers use this order, so that no two of them wait for each other.
        .order_by(stage.task_id)
    )
    return engine.upsert(fact_task_status, list(values), news)


def resolve_dead_letters() -> Update:
    """Resolve the dead letters of tasks that were audited after they failed."""
    return (
        update(dead_letter)
        .where(
            dead_letter.c.resolved_at.is_(None),
            dead_letter.c.task_id == stage.task_id,
            dead_letter.c.last_failed_at <= stage.observed_at,
        )
        .values(resolved_at=stage.observed_at)
    )


def resolve_overtaken_dead_letters(run: str) -> Update:
    """Resolve the dead letters of a run whose task another run has observed since it failed."""
    return (
        update(dead_letter)
        .where(
            dead_letter.c.run_id == run,
            dead_letter.c.resolved_at.is_(None),
            dead_letter.c.task_id == fact.task_id,
            dead_letter.c.last_failed_at < fact.last_checked_at,
        )
        .values(resolved_at=fact.last_checked_at)
    )


def settled(engine: Engine) -> CompoundSelect[str]:
    """Select those of the bound ``task_ids``, a JSON array, with a terminal fact or a dead letter that excludes them.

    An open dead letter excludes its task, unless the task is to be tried again. A resolved one does if the user
    discarded it, that is, if no fact shows an audit since.
    """
    asked = text(engine.rows_of_json("task_ids", "task_id")).columns(task_id=Text)
    ended = select(fact.task_id).where(fact.task_id.in_(asked), fact.status.in_(TERMINAL))
    letters = dead_letter.c
    audited_since = exists().where(fact.task_id == letters.task_id, fact.last_checked_at >= letters.resolved_at)
    dead = select(letters.task_id).where(
        letters.task_id.in_(asked),
        or_(
            and_(letters.resolved_at.is_(None), letters.attempts > 0),
            and_(letters.resolved_at.is_not(None), ~audited_since),
        ),
    )
    return ended.union(dead)


def audited_by_dead_runs(engine: Engine) -> Select[str]:
    """Select those of the bound ``task_ids``, a JSON array, whose terminal fact is of a run that never ended."""
    asked = text(engine.rows_of_json("task_ids", "task_id")).columns(task_id=Text)
    dead_runs = select(audit_run.c.run_id).where(audit_run.c.finished_at.is_(None))
    return select(fact.task_id).where(fact.task_id.in_(asked), fact.status.in_(TERMINAL), fact.run_id.in_(dead_runs))


def upsert_dead_letters(engine: Engine) -> Insert:
    """Write the staged dead letters, but keep the time of the first failure; a failure replaces only an older one."""
    changing = [column.name for column in dead_letter.c if column.name not in {"task_id", "first_failed_at"}]
    # All writers use this order, so that no two of them wait for each other.
    staged = select(*(stage_dead_letters.c[column.name] for column in dead_letter.c)).order_by(
        stage_dead_letters.c.task_id
    )
    return engine.upsert_if_newer(dead_letter, changing, time="last_failed_at", rows=staged)

"""Writes a batch - facts, changes, dimensions, dead letters and the run's counters - in one transaction."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from datetime import datetime

import structlog
from sqlalchemy import Connection, Engine, Executable, func, insert, select, update

from etl.crash_points import crash_point
from etl.database.engines import engine_of
from etl.database.engines.base import Rows
from etl.database.versions import require_current
from etl.runs import AuditRun, Counters
from etl.warehouse.calendar import follow_zone
from etl.warehouse.limits import MAX_DIMENSION_ROWS, MAX_KEY_CHARACTERS
from etl.warehouse.load import clock_errors, dimensions, history, statements
from etl.warehouse.load.batch import Batch, Within
from etl.warehouse.load.dead_letters import DeadLetterRow, dead_letter_rows
from etl.warehouse.schema import warehouse_schema
from etl.warehouse.tables import audit_run, audit_run_counter, fact_task_status_change
from etl.warehouse.temporary_tables import stage_dead_letters, stage_facts
from etl.warehouse.text import storable_text

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LOADED = ("audited", "changed", "unchanged", "still_open", "dead_lettered", "released")
"""The counters of a run that change with a load."""

RECENT_CHANGES, KNOWN_TASKS = 8, 2
"""The changes among which the known tasks are found, since a task changes a few times in its life; and the known tasks,
of which one may be the task in doubt."""


class Warehouse:
    """The warehouse of one run."""

    def __init__(self, engine: Engine, *, schema: str | None = None) -> None:
        self.engine = engine
        self._kind = engine_of(engine)
        self._schema = warehouse_schema(schema)

    def require_current(self) -> None:
        """Check the schema's version.

        Raises:
            ConfigurationError: the schema is missing, older or newer than this program.
        """
        with self.engine.execution_options(read_only=True).connect() as connection:
            require_current(connection, self._schema)

    def follow_zone(self, time_zone: str) -> None:
        """Fill the calendar again if it is of another zone than this IANA name."""
        follow_zone(self.engine, self._schema.version, time_zone)

    def start(self, run: AuditRun) -> None:
        """Write the row of a run that starts."""
        with self.engine.begin() as connection:
            connection.execute(insert(audit_run).values(**asdict(run)))

    def load(self, batch: Batch, run: AuditRun, *, within: Within | None = None) -> AuditRun:
        """Write a batch and the run's counters with it; a batch that was written already is left as it is.

        The counters in the run's row show whether a commit whose answer was lost has happened.

        Args:
            batch: normalized facts and dead letters.
            run: the counters before this batch.
            within: a function that the loader calls in the same transaction, at its end.

        Returns:
            The counters after this batch, as they were written.
        """
        learnt_by = batch.run_id or run.run_id
        letters = dead_letter_rows(batch.dead_letters, learnt_by)
        with self.engine.begin() as connection, self._staged(connection, batch.facts, letters):
            # The lock comes after the copying: no limit of a server ends a copy whose client is frozen.
            self._kind.lock_loads(connection, self._schema.version)
            written = _written(connection, run)
            if written.accounted == run.accounted + batch.tasks:
                return written
            if batch.now is not None:
                clock_errors.correct_staged(connection, self._kind, now=batch.now)
            counted = connection.execute(statements.count_batch()).one()
            self._write_facts(connection, learnt_by)
            self._write_dead_letters(connection, letters, learnt_by, now=batch.now)
            loaded = replace(
                run,
                audited=run.audited + batch.audited,
                changed=run.changed + counted.changed,
                unchanged=run.unchanged + batch.audited - counted.changed,
                still_open=run.still_open + counted.still_open,
                dead_lettered=run.dead_lettered + len(batch.dead_letters),
                released=run.released + batch.released,
            )
            _write_run(connection, loaded)
            if within is not None:
                within(connection)
            crash_point("committing")
        return loaded

    def finish(self, run: AuditRun, counters: Counters, *, within: Within | None = None) -> None:
        """Write the row of a run that has ended, and its counters; a second call writes nothing.

        A load whose answer was lost may be in the row and not in the numbers of the run: the row counts.

        Args:
            run: the run with its end.
            counters: the counters that its numbers are made of.
            within: a function that the loader calls in the same transaction, at its end.
        """
        with self.engine.begin() as connection:
            finished_at = select(audit_run.c.finished_at).where(audit_run.c.run_id == run.run_id)
            if connection.execute(finished_at).scalar_one() is not None:
                return
            _write_run(connection, _with_loads(run, _written(connection, run)))
            connection.execute(dimensions.insert_new_code_counters(run.run_id, run.started_at))
            left_out = dimensions.count_left_out(connection, run.run_id)
            full = {("drift", f"{name} is full"): tasks for name, tasks in left_out.items()}
            rows = [
                {"run_id": run.run_id, "counter": counter, "name": name, "number": number}
                for (counter, name), number in sorted({**counters, **full}.items())
            ]
            if rows:
                connection.execute(insert(audit_run_counter), rows)
            if within is not None:
                within(connection)
        for name, tasks in left_out.items():
            log.warning("dimension_full", dimension=name, rows=MAX_DIMENSION_ROWS, tasks=tasks)

    def audited_by_dead_runs(self, task_ids: Sequence[str]) -> set[str]:
        """Return the tasks whose end was written by a run that never ended."""
        return self._matching(statements.audited_by_dead_runs(self._kind), task_ids)

    def count_unfinished(self, *, but: str) -> int:
        """Count the runs that never ended, and those that are under way, but for the run of this ID."""
        query = select(func.count()).where(audit_run.c.finished_at.is_(None), audit_run.c.run_id != but)
        with self.engine.execution_options(read_only=True).connect() as connection:
            return connection.execute(query).scalar_one()

    def known_tasks(self) -> list[str]:
        """Return the tasks that changed most recently, whose answers are therefore recent.

        The changes have an index of their time. To sort a million facts by their last check would take 300 ms.
        """
        changes = fact_task_status_change.c
        query = select(changes.task_id).order_by(changes.observed_at.desc()).limit(RECENT_CHANGES)
        with self.engine.execution_options(read_only=True).connect() as connection:
            return list(dict.fromkeys(connection.scalars(query)))[:KNOWN_TASKS]

    def settled(self, task_ids: Sequence[str]) -> set[str]:
        """Return the tasks with a terminal fact, or with a dead letter that excludes them."""
        return self._matching(statements.settled(self._kind), task_ids)

    def _matching(self, query: Executable, task_ids: Sequence[str]) -> set[str]:
        keys = {task_id: storable_text(task_id, MAX_KEY_CHARACTERS) for task_id in task_ids}
        with self.engine.execution_options(read_only=True).connect() as connection:
            found = set(connection.scalars(query, {"task_ids": json.dumps(list(keys.values()))}))
        return {task_id for task_id, key in keys.items() if key in found}

    def _write_facts(self, connection: Connection, learnt_by: str) -> None:
        run_id = {"run_id": learnt_by}
        # Changes come first: they are read off the facts as they were before this batch.
        connection.execute(statements.insert_changes(self._kind), run_id)
        connection.execute(statements.upsert_facts(self._kind), run_id)
        if connection.execute(history.count_late()).scalar_one():
            for statement in history.correct_history(self._kind, run_id=learnt_by):
                connection.execute(statement)
        connection.execute(dimensions.insert_unknown_statuses())
        connection.execute(dimensions.insert_unknown_types())
        connection.execute(dimensions.insert_new_result_codes())
        connection.execute(dimensions.insert_new_tenants())
        connection.execute(history.date_result_codes())
        connection.execute(statements.resolve_dead_letters())

    def _write_dead_letters(
        self, connection: Connection, letters: Sequence[DeadLetterRow], learnt_by: str, *, now: datetime | None
    ) -> None:
        if not letters:
            return
        if now is not None:
            failed = {row["task_id"]: row["last_failed_at"] for row in letters}
            clock_errors.correct_failed(connection, self._kind, failed, now=now)
        connection.execute(statements.upsert_dead_letters(self._kind))
        connection.execute(statements.resolve_overtaken_dead_letters(learnt_by))

    @contextmanager
    def _staged(self, connection: Connection, facts: Rows, letters: Sequence[DeadLetterRow]) -> Iterator[None]:
        columns = stage_dead_letters.columns.keys()
        rows = [[row[column] for column in columns] for row in letters]
        with ExitStack() as stages:
            stages.enter_context(self._kind.staged(connection, facts, stage_facts))
            # A statement for each dead letter would take DuckDB five milliseconds.
            if rows:
                stages.enter_context(self._kind.staged(connection, rows, stage_dead_letters))
            crash_point("staged")
            yield


def _written(connection: Connection, run: AuditRun) -> AuditRun:
    """Read the counters that loads write, as of the last commit."""
    query = select(*(audit_run.c[name] for name in LOADED)).where(audit_run.c.run_id == run.run_id)
    return replace(run, **connection.execute(query).mappings().one())


def _with_loads(run: AuditRun, written: AuditRun) -> AuditRun:
    """Count as loaded what loads have written; a run that does not know it takes the tasks for released."""
    unknown = written.audited + written.dead_lettered - run.audited - run.dead_lettered
    if unknown <= 0:
        return run
    loaded = {name: getattr(written, name) for name in LOADED}
    return replace(run, **loaded | {"released": run.released - unknown})


def _write_run(connection: Connection, run: AuditRun) -> None:
    row = asdict(run)
    del row["run_id"]
    connection.execute(update(audit_run).where(audit_run.c.run_id == run.run_id).values(**row))

"""Keeps the parts of statements that the program builds again and again: the same arguments give the same expression.

A real run builds a statement for hundreds of tasks, and a simulated one for two or three. Most of a night would
otherwise go into building the same statements.
"""

import sys
from functools import lru_cache

from sqlalchemy import text
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from etl.database.engines import sqlite as sqlite_engine
from etl.source import conditions, queue, tables
from etl.source.due_tasks import DueTasks
from etl.source.engines import base
from etl.warehouse.load import dimensions, history, statements

PARTS = {
    conditions: ["has_ended", "is_free", "may_be_checked", "was_asked_before", "was_checked_in_future"],
    base: ["claimed_columns", "looked_at"],
    queue: ["_next"],
    tables: ["is_task_id", "submitted_ms"],
    DueTasks: ["selected", "_unleased"],
    statements: [
        "audited_by_dead_runs",
        "count_batch",
        "insert_changes",
        "resolve_dead_letters",
        "settled",
        "upsert_dead_letters",
        "upsert_facts",
    ],
    dimensions: ["insert_new_result_codes", "insert_new_tenants", "insert_unknown_statuses", "insert_unknown_types"],
    history: ["count_late", "date_result_codes"],
}
"""The functions that return an expression, and nothing else, by the module or class that has them."""

MAX_EXPRESSIONS = 256
"""The expressions of one function that are kept: those with a time in them serve for one instant only."""

_kept = []


def remembering():
    """Yield who holds such a function, its name there, and the function that remembers."""
    for owner, names in PARTS.items():
        for name in names:
            function = vars(owner)[name]
            remembers = lru_cache(MAX_EXPRESSIONS)(function)
            _kept.append(remembers)
            for holder in _holders_of(function, owner):
                yield holder, name, remembers
    yield sqlite_engine, "CreateTable", lru_cache(_create_table)


def forget_expressions():
    """Build all expressions again: the code that builds them has changed."""
    for remembers in _kept:
        remembers.cache_clear()


def _holders_of(function, owner):
    modules = [module for name, module in sys.modules.items() if name.startswith("etl.")]
    return [each for each in {*modules, owner} if any(value is function for value in vars(each).values())]


def _create_table(table, *, if_not_exists):
    # SQLAlchemy compiles a statement that defines a table anew each time.
    return text(str(CreateTable(table, if_not_exists=if_not_exists).compile(dialect=sqlite.dialect())))

"""The parts of the schema that tests name."""

from collections import defaultdict

from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from etl.warehouse.schema import warehouse_schema

HEAD = ScriptDirectory(str(warehouse_schema(None).revisions)).get_current_head()


VIEWS = {
    "v_daily_outcomes",
    "v_failures_by_result_code",
    "v_failures_by_tenant",
    "v_open_tasks",
    "v_run_health",
    "v_stuck_tasks",
    "v_task_history",
    "v_task_status",
}


OF_MIGRATIONS = defaultdict(lambda: {"task_audit_version"}, mysql={"task_audit_version", "task_audit_version_turn"})
"""The tables of the migrations by engine: on MySQL they take turns by a table of its own."""


def names(engine):
    inspector = inspect(engine)
    return {*inspector.get_table_names(), *inspector.get_view_names()}

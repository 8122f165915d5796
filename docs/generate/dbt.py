"""Makes the dbt package of ``sql/dbt``: sources with texts, freshness and tests, two staging models, and exposures."""

from typing import Any

import yaml

from docs.generate.relations import TypedColumn, TypedRelation
from etl import __version__

Document = dict[str, Any]

SOURCE = "task_audit"

STAGED = {
    "v_task_status": ("stg_task_audit__tasks", "One row per task with its last known state, names and labels."),
    "v_task_history": ("stg_task_audit__task_history", "One row per state of a task, with the time in which it held."),
}
"""The views that have a staging model, with its name and its meaning."""

DEPRECATED = "Deprecated"
"""How the meaning of a column begins that the next release no longer has."""

LOADED_AT = "finished_at"
FRESHNESS = {"warn_after": {"count": 26, "period": "hour"}, "error_after": {"count": 50, "period": "hour"}}
"""A night that is two hours late is a warning, and a night that is missing is an error."""

PROJECT: Document = {
    "name": SOURCE,
    "version": __version__,
    "config-version": 2,
    "require-dbt-version": [">=1.10.6", "<2.0.0"],
    "profile": SOURCE,
    "model-paths": ["models"],
    "test-paths": ["tests"],
    "target-path": "target",
    "clean-targets": ["target"],
    "vars": {"task_audit_database": None, "task_audit_schema": None},
    "models": {SOURCE: {"staging": {"+materialized": "view"}}},
}

EXPOSURES = [
    (
        "task_audit_morning",
        "analysis",
        "The ready-made questions: `task-audit query`.",
        ["v_task_status", "v_run_health"],
    ),
    ("task_audit_report", "application", "The report of a night: `task-audit report`.", ["v_task_status", "audit_run"]),
    ("task_audit_dashboard", "dashboard", "The dashboard `configs/grafana/warehouse.json`.", ["v_daily_outcomes"]),
]

HEAD = "# Made by `make reference` from the data dictionary of task-audit. Do not edit.\n"

BALANCE = """\
-- The numbers of a run that has ended balance; returns the runs whose numbers do not.
SELECT run_id, outcome, claimed, audited, dead_lettered, released
FROM {{ source('task_audit', 'v_run_health') }}
WHERE NOT is_balanced AND finished_at IS NOT NULL AND outcome <> 'bug'
"""


def files(relations: list[TypedRelation]) -> dict[str, str]:
    """Return the files of the package, by their path below ``sql/dbt``."""
    staged = [each for each in relations if each.name in STAGED]
    keyed = [each for each in relations if len(each.key) > 1]
    return {
        "dbt_project.yml": _yaml(PROJECT),
        "models/sources.yml": _yaml({"version": 2, "sources": [_source(relations)]}),
        "models/exposures.yml": _yaml({"version": 2, "exposures": [_exposure(*each) for each in EXPOSURES]}),
        "models/staging/staging.yml": _yaml({"version": 2, "models": [_model(each) for each in staged]}),
        **{f"models/staging/{STAGED[each.name][0]}.sql": _select(each) for each in staged},
        **{f"tests/task_audit_one_row_per_key_of_{each.name}.sql": _one_row_per_key(each) for each in keyed},
        "tests/task_audit_runs_balance.sql": BALANCE,
    }


def _source(relations: list[TypedRelation]) -> Document:
    return {
        "name": SOURCE,
        "description": "The warehouse of task-audit: how tasks on KooDrive ended. All times are UTC.",
        "database": "{{ var('task_audit_database') or target.database }}",
        "schema": "{{ var('task_audit_schema') or target.schema }}",
        "tables": [_table(each) for each in relations],
    }


def _table(relation: TypedRelation) -> Document:
    table: Document = {"name": relation.name, "description": relation.meaning}
    if relation.name == "audit_run":
        table["config"] = {"loaded_at_field": LOADED_AT, "freshness": FRESHNESS}
    return table | {"columns": [_column(each, is_only_key=len(relation.key) == 1) for each in relation.columns]}


def _column(column: TypedColumn, *, is_only_key: bool) -> Document:
    tests: list[str | Document] = []
    if column.key_position and is_only_key:
        tests.append("unique")
    if column.is_required:
        tests.append("not_null")
    if column.values:
        tests.append({"accepted_values": {"arguments": {"values": list(column.values)}}})
    if column.refers_to:
        table, key = column.refers_to
        arguments = {"to": f"source('{SOURCE}', '{table}')", "field": key}
        # A dimension keeps 10,000 values at most, and the row of a run that was killed may be missing.
        tests.append({"relationships": {"arguments": arguments, "config": {"severity": "warn"}}})
    described: Document = {"name": column.name, "description": column.meaning}
    return described | ({"data_tests": tests} if tests else {})


def _model(relation: TypedRelation) -> Document:
    name, meaning = STAGED[relation.name]
    columns = [_column(each, is_only_key=len(relation.key) == 1) for each in _kept(relation)]
    return {"name": name, "description": meaning, "columns": columns}


def _select(relation: TypedRelation) -> str:
    columns = ",\n".join(f"    {column.name}" for column in _kept(relation))
    meaning = STAGED[relation.name][1]
    return f"-- {meaning}\nSELECT\n{columns}\nFROM {{{{ source('{SOURCE}', '{relation.name}') }}}}\n"


def _kept(relation: TypedRelation) -> list[TypedColumn]:
    return [column for column in relation.columns if not column.meaning.startswith(DEPRECATED)]


def _one_row_per_key(relation: TypedRelation) -> str:
    key = ", ".join(relation.key)
    return (
        f"-- One row for each {key}; returns those with more.\nSELECT {key}\n"
        f"FROM {{{{ source('{SOURCE}', '{relation.name}') }}}}\nGROUP BY {key}\nHAVING COUNT(*) > 1\n"
    )


def _exposure(name: str, kind: str, meaning: str, sources: list[str]) -> Document:
    return {
        "name": name,
        "type": kind,
        "description": meaning,
        "depends_on": [f"source('{SOURCE}', '{each}')" for each in sources],
        "owner": {"name": "The team that runs task-audit"},
    }


def _yaml(document: Document) -> str:
    return HEAD + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=118)

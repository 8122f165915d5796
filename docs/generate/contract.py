"""Makes the data contract of the warehouse, in the Open Data Contract Standard 3.1 (ODCS)."""

from typing import Any

import yaml

from docs.generate.relations import TypedColumn, TypedRelation
from etl import __version__

Document = dict[str, Any]

HEAD = "# Made by `make reference` from the data dictionary of task-audit. Do not edit.\n"


def files(relations: list[TypedRelation]) -> dict[str, str]:
    """Return the contract, by its path below ``sql/contract``."""
    contract: Document = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": "urn:task-audit:warehouse",
        "name": "task-audit warehouse",
        "version": __version__,
        "status": "active",
        "description": {
            "purpose": "Which tasks ran on KooDrive, how each ended, with which result code, and what is stuck.",
            "usage": "Read the views; the tables are the same facts without names and labels. All times are UTC.",
            "limitations": (
                "A change counts from when a run first saw it. Task IDs and result codes are text: as numbers, tools "
                "round their last digits. Columns are added, and none is renamed or removed without a deprecation of "
                "one release."
            ),
        },
        "schema": [_object(each) for each in relations],
        "slaProperties": [
            {"property": "frequency", "value": 1, "unit": "d", "element": "audit_run.finished_at"},
            {"property": "latency", "value": 26, "unit": "h", "element": "audit_run.finished_at"},
        ],
    }
    text = yaml.safe_dump(contract, sort_keys=False, allow_unicode=True, width=118)
    return {"task_audit.odcs.yaml": HEAD + text}


def _object(relation: TypedRelation) -> Document:
    return {
        "name": relation.name,
        "physicalName": relation.name,
        "logicalType": "object",
        "physicalType": relation.kind,
        "description": relation.meaning,
        "properties": [_property(each, key=relation.key) for each in relation.columns],
    }


def _property(column: TypedColumn, *, key: tuple[str, ...]) -> Document:
    described: Document = {
        "name": column.name,
        "logicalType": column.type,
        "description": column.meaning,
        "required": column.is_required,
    }
    if column.key_position:
        described |= {"primaryKey": True, "primaryKeyPosition": column.key_position, "unique": len(key) == 1}
    if column.refers_to:
        described["relationships"] = [{"type": "foreignKey", "to": ".".join(column.refers_to)}]
    return described

"""Labels into the dimensions and out of them, on every engine."""

import io

import pytest

from etl.warehouse.read.label_file import Label, read_labels, write_labels
from etl.warehouse.read.labels import Unexplained, count_unexplained, export_labels, import_labels

FAILED = 3
TENANT = "tenant-1"


def label(dimension, code, title="", category="", action=""):
    return Label(dimension=dimension, code=code, title=title, category=category, action=action)


BORN_WITH = [label("task_type", "0", "HAND_OVER"), label("task_type", "1", "BATCH_USER_IMPORT")]
DISK_FULL = label(
    "result_code", "18000205", "Disk full", "quota", "=Buy; \u4ea4\u63a5 \U0001f642, \"space\"\nand 'more'"
)
SHREDDING = label("task_type", "9", "SHREDDING", "offboarding", "-")


@pytest.fixture
def met(audit):
    """A warehouse that has met two codes and a type."""
    audit.load(
        audit.seen(FAILED, task_id="1", result_code="18000205", task_type=9, tenant_id=TENANT),
        audit.seen(FAILED, task_id="2", result_code="18000301", task_type=0),
    )
    return audit


def test_what_a_run_meets_is_not_explained_yet(met):
    assert count_unexplained(met.engine) == Unexplained(result_codes=2, task_types=1)
    assert export_labels(met.engine) == [
        label("result_code", "18000205"),
        label("result_code", "18000301"),
        label("task_type", "9"),
        label("tenant", TENANT),
        *BORN_WITH,
    ]


def test_an_import_explains_and_leaves_all_else_alone(met):
    before = met.tables(without=["dim_result_code", "dim_task_type"])
    done = import_labels(met.engine, [DISK_FULL, SHREDDING, label("result_code", "7", "Unmet")])
    assert (done.labelled, done.unmet) == (2, [label("result_code", "7", "Unmet")])
    first, second = met.rows("dim_result_code")
    assert first == {
        "result_code": "18000205",
        "title": "Disk full",
        "category": "quota",
        "action": DISK_FULL.action,
        "is_documented": True,
        "first_seen_at": met.noon,
    }
    assert (second["title"], second["is_documented"]) == (None, False)
    assert met.rows("dim_task_type")[-1] == {
        "task_type": 9,
        "task_type_name": "SHREDDING",
        "description": None,
        "category": "offboarding",
        "action": "-",
    }
    assert count_unexplained(met.engine) == Unexplained(result_codes=1, task_types=0)
    assert met.tables(without=["dim_result_code", "dim_task_type"]) == before


def test_a_run_never_loses_a_label(met):
    import_labels(met.engine, [DISK_FULL, SHREDDING])
    explained = export_labels(met.engine)
    met.load(
        met.seen(FAILED, 5, task_id="1", result_code="18000301", task_type=9),
        met.seen(FAILED, 5, task_id="3", result_code="18000205", task_type=9),
        run="run-2",
    )
    assert export_labels(met.engine) == explained


def test_what_was_exported_is_imported_as_it_was(met):
    import_labels(met.engine, [DISK_FULL, SHREDDING])
    dimensions = met.rows("dim_result_code"), met.rows("dim_task_type")
    written = write_labels(export_labels(met.engine))
    assert import_labels(met.engine, read_labels(io.BytesIO(written.encode()), "it")).unmet == []
    assert (met.rows("dim_result_code"), met.rows("dim_task_type")) == dimensions
    assert write_labels(export_labels(met.engine)) == written


def test_an_empty_row_takes_the_label_away(met):
    born_with = met.rows("dim_result_code"), met.rows("dim_task_type")
    import_labels(met.engine, [DISK_FULL, SHREDDING])
    import_labels(met.engine, [label("result_code", "18000205"), label("task_type", "9")])
    assert (met.rows("dim_result_code"), met.rows("dim_task_type")) == born_with


def test_a_tenant_is_named(met):
    """An ID that cannot be a key has no row."""
    met.load(*(met.seen(FAILED, task_id=each, tenant_id=each * 251) for each in ("78", "79")), run="run-2")
    met.load(met.seen(FAILED, task_id="80", tenant_id=""), run="run-3")
    done = import_labels(
        met.engine, [label("tenant", TENANT, "Ant Ltd.", "pilot", "Call Ann."), label("tenant", "other")]
    )
    assert (done.labelled, len(done.unmet)) == (1, 1)
    assert met.rows("dim_tenant") == [
        {"tenant_id": TENANT, "tenant_name": "Ant Ltd.", "category": "pilot", "action": "Call Ann."}
    ]
    met.load(met.seen(FAILED, task_id="4", tenant_id=TENANT), run="run-4")
    assert label("tenant", TENANT, "Ant Ltd.", "pilot", "Call Ann.") in export_labels(met.engine)
    import_labels(met.engine, [label("tenant", TENANT)])
    assert met.rows("dim_tenant")[0]["tenant_name"] is None


def test_codes_are_told_apart_by_every_character(audit):
    audit.load(*(audit.seen(FAILED, task_id=str(n), result_code=each) for n, each in enumerate(["a", "A", "a "])))
    import_labels(audit.engine, [label("result_code", "a", "small")])
    assert [row["result_code"] for row in audit.rows("dim_result_code") if row["is_documented"]] == ["a"]

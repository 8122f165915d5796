"""Upgrades of the warehouse: refused, broken off, repeated, and from every released version."""

import shutil
from contextlib import suppress
from dataclasses import replace

import pytest
from sqlalchemy import event

from etl.database.migrations import upgrade
from etl.errors import ConfigurationError
from etl.warehouse.load.loader import Warehouse
from etl.warehouse.schema import upgrade_warehouse, warehouse_schema
from etl.warehouse.tables import METADATA
from tests.conftest import MYSQL
from tests.warehouse.schemas import HEAD, OF_MIGRATIONS, VIEWS, names

VERSIONS = warehouse_schema(None).revisions / "versions"


def set_version(engine, version):
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE task_audit_version SET version_num = '{version}'")


def test_a_newer_version_is_refused(engine):
    upgrade_warehouse(engine)
    set_version(engine, "w9999")
    for use in (Warehouse(engine).require_current, lambda: upgrade_warehouse(engine)):
        with pytest.raises(ConfigurationError, match="w9999, newer than this program") as refused:
            use()
        assert refused.value.remedy == "Upgrade koodrive-task-audit."


def test_a_missing_schema_is_refused(engine):
    with engine.connect():
        pass
    with pytest.raises(ConfigurationError, match="The warehouse is not set up yet") as refused:
        Warehouse(engine).require_current()
    assert refused.value.remedy == "Run `task-audit init`."


@pytest.fixture
def two_revisions(tmp_path):
    """The revisions of the warehouse, and one more that fails in its middle."""
    folder = tmp_path / "migrations"
    shutil.copytree(warehouse_schema(None).revisions, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "w9998_next.py").write_text(
        f'import sqlalchemy as sa\nfrom alembic import op\n\nrevision, down_revision = "w9998", "{HEAD}"\n\n\n'
        "def upgrade():\n"
        '    op.create_table("half_made", sa.Column("a", sa.Text))\n'
        "    op.execute(\"INSERT INTO dim_task_type (task_type, task_type_name) VALUES (99, 'HALF')\")\n"
        '    raise RuntimeError("in the middle")\n'
    )
    return folder


def repair(folder):
    file = folder / "versions" / "w9998_next.py"
    file.write_text(file.read_text().replace('    raise RuntimeError("in the middle")\n', ""))


def test_an_older_version_is_refused(engine, two_revisions, monkeypatch):
    upgrade_warehouse(engine)
    warehouse = Warehouse(engine)
    monkeypatch.setattr(warehouse, "_schema", replace(warehouse_schema(None), revisions=two_revisions))
    with pytest.raises(ConfigurationError, match=rf"is of an older version \({HEAD}\)") as refused:
        warehouse.require_current()
    assert refused.value.remedy == "Run `task-audit init`."


def test_an_upgrade_that_breaks_off_leaves_the_version_before(engine, two_revisions, audit_on):
    audit = audit_on(engine)
    audit.load(audit.seen(2))
    before, tables = names(engine), audit.tables()
    with pytest.raises(RuntimeError, match="in the middle"):
        upgrade(engine, replace(warehouse_schema(None), revisions=two_revisions))
    assert names(engine) - before == ({"half_made"} if engine.dialect.name == "mysql" else set())
    assert audit.tables() == tables
    audit.warehouse.require_current()
    repair(two_revisions)
    assert upgrade(engine, replace(warehouse_schema(None), revisions=two_revisions)).after == "w9998"
    assert audit.tables()["fact_task_status"] == tables["fact_task_status"]
    assert 99 in {row["task_type"] for row in audit.rows("dim_task_type")}


def test_a_first_upgrade_that_breaks_off_leaves_nothing_or_can_be_repeated(engine, two_revisions):
    with pytest.raises(RuntimeError, match="in the middle"):
        upgrade(engine, replace(warehouse_schema(None), revisions=two_revisions))
    assert names(engine) == set() or engine.dialect.name == "mysql"
    upgrade_warehouse(engine)
    Warehouse(engine).require_current()


@pytest.mark.parametrize("warehouse_url", MYSQL, indirect=True)
@pytest.mark.parametrize("statements", range(2, 35, 5))
def test_an_upgrade_that_breaks_off_anywhere_can_be_repeated(engine, audit_on, statements):
    """Every DDL statement of MySQL commits."""
    written = []

    def crash(_connection, _cursor, statement, *_):
        written.append(statement)
        if len(written) > statements:
            raise KeyboardInterrupt

    event.listen(engine, "before_cursor_execute", crash)
    with suppress(KeyboardInterrupt):
        upgrade_warehouse(engine)
    event.remove(engine, "before_cursor_execute", crash)
    engine.dispose()
    audit = audit_on(engine)
    audit.warehouse.require_current()
    assert names(engine) == {*METADATA.tables, *OF_MIGRATIONS[engine.dialect.name], *VIEWS}
    assert [row["status"] for row in audit.rows("dim_task_status")] == [0, 1, 2, 3]
    assert audit.load(audit.seen(2)).changed == 1
    assert len(written) > statements


@pytest.fixture
def released(tmp_path):
    """Create the warehouse's schema as of a version: ``released("w0001")``."""

    def as_of(version):
        folder = tmp_path / version
        shutil.copytree(warehouse_schema(None).revisions, folder, ignore=shutil.ignore_patterns("__pycache__"))
        for file in (folder / "versions").glob("*.py"):
            if file.name[:5] > version:
                file.unlink()
        return replace(warehouse_schema(None), revisions=folder, refresh=None)

    return as_of


LONG_AGO = "2026-11-01 00:00:00.000000"


ROWS = {
    "fact_task_status": {
        "task_id": "1",
        "task_type": 0,
        "tenant_id": "ant",
        "status": 1,
        "submitted_at_source": "queue",
        "run_id": "old",
        **dict.fromkeys(("first_seen_at", "status_changed_at", "last_checked_at"), LONG_AGO),
    },
    "fact_task_status_change": {"task_id": "1", "observed_at": LONG_AGO, "status": 1, "run_id": "old"},
    "dim_result_code": {"result_code": "7", "title": "mine", "is_documented": True, "first_seen_at": LONG_AGO},
    "dead_letter": {
        "task_id": "2",
        "reason": "not_found",
        "detail": "HTTP 404",
        "attempts": 1,
        "run_id": "old",
        **dict.fromkeys(("first_failed_at", "last_failed_at"), LONG_AGO),
    },
}
"""The rows of a warehouse in use, in columns that every version has."""


@pytest.mark.parametrize("version", [file.name[:5] for file in sorted(VERSIONS.glob("w*.py"))])
def test_every_released_version_is_upgraded_and_keeps_its_rows(engine, audit_on, released, version):
    assert upgrade(engine, released(version)).after == version
    with engine.begin() as connection:
        for name, row in ROWS.items():
            values = ", ".join(repr(value) for value in row.values())
            connection.exec_driver_sql(f"INSERT INTO {name} ({', '.join(row)}) VALUES ({values})")
    if version != HEAD:
        with pytest.raises(ConfigurationError, match=rf"older version \({version}\)"):
            Warehouse(engine).require_current()

    done = upgrade_warehouse(engine)

    assert (done.before, done.after) == (version, HEAD)
    audit = audit_on(engine, upgrade=False)
    audit.warehouse.require_current()
    for name, row in ROWS.items():
        assert {str(audit.row(name)[column]) for column in ("task_id", "title") if column in row} <= {"1", "2", "mine"}
    assert {"ant"} <= {row["tenant_id"] for row in audit.rows("dim_tenant")} or version >= "w0008"
    assert audit.load(audit.seen(2, task_id="1"), audit.seen(2, task_id="2")).changed == 2
    assert [row["status"] for row in audit.rows("fact_task_status_change")] == [1, 2, 2]
    assert audit.row("dead_letter")["resolved_at"] is not None

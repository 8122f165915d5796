"""The schema of the warehouse: created, upgraded again, of a wrong version, and interrupted."""

import re
import shutil
from collections import defaultdict
from contextlib import suppress
from dataclasses import replace

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import MetaData, event, inspect
from sqlalchemy.schema import CreateTable

from etl.database.connections import open_engine
from etl.database.engines import engine_of
from etl.database.migrations import upgrade
from etl.database.types import UtcDateTime
from etl.errors import ConfigurationError
from etl.warehouse.load.loader import Warehouse
from etl.warehouse.schema import upgrade_warehouse, warehouse_schema
from etl.warehouse.sql_files import sql_files
from etl.warehouse.tables import METADATA
from etl.warehouse.temporary_tables import stage_facts
from etl.warehouse.views import meaning_of, read_views
from tests.conftest import MYSQL

VERSIONS = warehouse_schema(None).revisions / "versions"
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


def test_a_second_upgrade_changes_nothing(engine):
    first = upgrade_warehouse(engine)
    second = upgrade_warehouse(engine)
    assert (first.before, first.after) == (None, HEAD)
    assert (second.before, second.after) == (HEAD, HEAD)
    assert names(engine) == {*METADATA.tables, *OF_MIGRATIONS[engine.dialect.name], *VIEWS}
    Warehouse(engine).require_current()


def test_the_tables_are_those_that_the_loader_knows(engine):
    upgrade_warehouse(engine)
    inspector = inspect(engine)
    for table in METADATA.sorted_tables:
        key = inspector.get_pk_constraint(table.name)["constrained_columns"]
        assert key == table.primary_key.columns.keys(), table.name
        # A column that a later migration added stands last in the database. Statements name their columns.
        found = sorted(
            (column["name"], column["nullable"] and column["name"] not in key)
            for column in inspector.get_columns(table.name)
        )
        assert found == sorted((column.name, bool(column.nullable)) for column in table.columns), table.name


def test_the_columns_have_the_same_types(engine):
    upgrade_warehouse(engine)
    other = MetaData()
    for table in METADATA.sorted_tables:
        copy = table.to_metadata(other, name=f"other_{table.name}")
        # Another index has the name already.
        copy.indexes.clear()
    other.create_all(engine)
    inspector = inspect(engine)
    for table in METADATA.sorted_tables:
        migrated, declared = (
            {column["name"]: repr(column["type"]) for column in inspector.get_columns(name)}
            for name in (table.name, f"other_{table.name}")
        )
        assert migrated == declared, table.name


@pytest.mark.parametrize("warehouse_url", ["sqlite", "postgresql"], indirect=True)
def test_alembic_finds_no_difference(engine):
    upgrade_warehouse(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": lambda _context, _inspected, metadata, _found, _declared: (
                    False if isinstance(metadata.type, UtcDateTime) else None
                ),
                "include_name": lambda name, kind, _parents: kind != "table" or name in METADATA.tables,
            },
        )
        assert compare_metadata(context, METADATA) == []


def test_the_staging_table_has_the_columns_of_the_facts(engine):
    from etl.normalize import FACTS

    assert stage_facts.columns.keys() == FACTS.names()
    assert "TEMPORARY" in str(CreateTable(stage_facts).compile(engine))


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


def test_views_are_recreated(engine):
    upgrade_warehouse(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP VIEW v_run_health")
    upgrade_warehouse(engine)
    assert names(engine) >= VIEWS


def test_a_view_of_an_analyst_survives(engine):
    upgrade_warehouse(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE VIEW mine AS SELECT task_id, status_name FROM v_task_status")
    upgrade_warehouse(engine)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT * FROM mine").all() == []


def test_grants_survive_on_postgresql(postgres_url):
    engine = open_engine(SecretStr(postgres_url), name="the warehouse")
    upgrade_warehouse(engine)
    granted = (
        "SELECT table_name FROM information_schema.role_table_grants"
        " WHERE grantee = 'PUBLIC' AND table_schema = 'public'"
    )
    with engine.begin() as connection:
        connection.exec_driver_sql("GRANT SELECT ON v_task_status, fact_task_status TO PUBLIC")
    upgrade_warehouse(engine)
    with engine.connect() as connection:
        assert set(connection.exec_driver_sql(granted).scalars()) == {"v_task_status", "fact_task_status"}
    engine.dispose()


def test_an_engines_own_view_stands_in_for_the_common_one():
    common = {file.name for file in sql_files("views", "postgresql")}
    own = sql_files("views", "sqlite")
    assert {file.name for file in own} == common == {f"{view}.sql" for view in VIEWS}
    assert {file.stem for file in own if file.parent.name == "sqlite"} == {
        "v_daily_outcomes",
        "v_open_tasks",
        "v_run_health",
        "v_task_status",
    }
    assert {file.name for file in sql_files("views", "mysql")} == common


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


def test_every_table_and_column_has_its_comment_in_the_database(engine):
    upgrade_warehouse(engine)
    upgrade_warehouse(engine)
    inspector = inspect(engine)
    for table in METADATA.sorted_tables:
        assert re.fullmatch(r"[A-Z].*\.", table.comment, re.ASCII)
        for column in table.columns:
            assert re.fullmatch(r"([A-Z]|[a-z]+(_at)?[ ;]).*\.", column.comment), column
        if not engine_of(engine).has_comments:
            continue
        assert inspector.get_table_comment(table.name)["text"] == table.comment
        found = {column["name"]: column["comment"] for column in inspector.get_columns(table.name)}
        assert found == {column.name: column.comment for column in table.columns}


def test_every_column_of_a_view_is_explained(engine):
    upgrade_warehouse(engine)
    for view in read_views("common"):
        columns = [column["name"] for column in inspect(engine).get_columns(view.name)]
        assert set(view.declarations) <= set(columns)
        assert all(meaning_of(view, column).endswith(".") for column in columns)


def test_views_on_postgresql_have_their_comments(postgres_url):
    engine = open_engine(SecretStr(postgres_url), name="the warehouse")
    upgrade_warehouse(engine)
    with engine.connect() as connection:
        view, column = connection.exec_driver_sql(
            "SELECT obj_description('v_open_tasks'::regclass), col_description('v_task_status'::regclass, 1)"
        ).one()
    engine.dispose()
    assert view.startswith("Every task that has not ended")
    assert column == METADATA.tables["fact_task_status"].c.task_id.comment

"""The schema of the warehouse: created, upgraded again, of a wrong version, and interrupted."""

import re

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import MetaData, inspect
from sqlalchemy.schema import CreateTable

from etl.database.connections import open_engine
from etl.database.engines import engine_of
from etl.database.types import UtcDateTime
from etl.normalize import COLUMNS
from etl.warehouse.load.loader import Warehouse
from etl.warehouse.schema import upgrade_warehouse
from etl.warehouse.sql_files import sql_files
from etl.warehouse.tables import METADATA
from etl.warehouse.temporary_tables import stage_facts
from etl.warehouse.views import meaning_of, read_views
from tests.warehouse.schemas import HEAD, OF_MIGRATIONS, VIEWS, names


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
    assert tuple(stage_facts.columns.keys()) == COLUMNS
    assert "TEMPORARY" in str(CreateTable(stage_facts).compile(engine))


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

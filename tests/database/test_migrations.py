"""Upgrades of a schema, with revisions that the tests write."""

import pytest
from sqlalchemy import inspect

from etl.database.connections import open_engine
from etl.database.migrations import upgrade
from etl.database.versions import Schema, require_current
from etl.errors import ConfigurationError

ENVIRONMENT = "from etl.database.migrations import run_in_environment\n\nrun_in_environment()\n"

REVISION = """
import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {before!r}


def upgrade():
    op.create_table("t_{revision}", sa.Column("id", sa.Integer))
    {more}
"""


@pytest.fixture
def engine(warehouse_url):
    engine = open_engine(warehouse_url, name="the warehouse", create=True)
    yield engine
    engine.dispose()


@pytest.fixture
def schema(tmp_path):
    # Alembic's configuration interpolates percent signs.
    folder = tmp_path / "100% revisions"
    (folder / "versions").mkdir(parents=True)
    (folder / "env.py").write_text(ENVIRONMENT, encoding="utf-8")
    return Schema(name="the test's schema", revisions=folder, version_table="test_version")


def add_revision(schema, revision, *, before=None, more="pass"):
    file = schema.revisions / "versions" / f"{revision}.py"
    file.write_text(REVISION.format(revision=revision, before=before, more=more), encoding="utf-8")


def tables(engine):
    return {name for name in inspect(engine).get_table_names() if name.startswith("t_")}


def test_upgrades_from_version_to_version(engine, schema):
    add_revision(schema, "a1")
    first = upgrade(engine, schema)
    add_revision(schema, "a2", before="a1")

    with engine.connect() as connection, pytest.raises(ConfigurationError, match=r"of an older version \(a1\)"):
        require_current(connection, schema)
    second = upgrade(engine, schema)

    assert (first.before, first.after, second.before, second.after) == (None, "a1", "a1", "a2")
    assert tables(engine) == {"t_a1", "t_a2"}
    with engine.connect() as connection:
        require_current(connection, schema)


def test_a_revision_that_fails_leaves_nothing_behind_or_can_be_repeated(engine, schema):
    add_revision(schema, "a1", more="raise ValueError('half-way')")

    with pytest.raises(ValueError, match="half-way"):
        upgrade(engine, schema)

    # MySQL commits with every table.
    assert tables(engine) == ({"t_a1"} if engine.dialect.name == "mysql" else set())
    with engine.connect() as connection, pytest.raises(ConfigurationError, match="not set up"):
        require_current(connection, schema)
    add_revision(schema, "a1")
    assert upgrade(engine, schema).after == "a1"


def test_a_newer_version_is_left_alone(engine, schema):
    add_revision(schema, "a1")
    upgrade(engine, schema)
    (schema.revisions / "versions" / "a1.py").unlink()
    add_revision(schema, "a0")

    with engine.connect() as connection, pytest.raises(ConfigurationError, match="version a1, newer"):
        require_current(connection, schema)
    with pytest.raises(ConfigurationError, match="version a1, newer"):
        upgrade(engine, schema)

    assert tables(engine) == {"t_a1"}

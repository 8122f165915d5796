"""Each file holds one statement with a sentence on top, and runs on every engine."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from etl.database.engine import open_engine
from etl.resources import resource
from etl.warehouse.schema import upgrade_warehouse

SQL = resource("sql")
FILES = sorted(SQL.rglob("*.sql"))
VIEWS = sorted(file.stem for file in (SQL / "views").glob("*.sql"))
QUERIES = sorted((SQL / "queries").glob("*.sql"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SQL)))
def test_a_sentence_and_one_statement(file):
    first, *rest = file.read_text(encoding="utf-8").splitlines()
    assert re.fullmatch(r"-- [A-Z].*[.?]", first)
    assert rest[0].startswith("SELECT")
    assert ";" not in "".join(rest)
    assert all(len(line) <= 120 and line == line.rstrip() for line in (first, *rest))


def test_an_own_view_stands_beside_a_common_one_and_opens_with_the_same_sentence():
    for own in SQL.glob("views/*/*.sql"):
        common = SQL / "views" / own.name
        assert own.read_text().splitlines()[0] == common.read_text().splitlines()[0]


@pytest.fixture(scope="session")
def common_columns(tmp_path_factory):
    """The columns of each view, by the common files."""
    url = SecretStr(f"duckdb:///{tmp_path_factory.mktemp('common')}/warehouse.duckdb")
    engine = open_engine(url, name="the warehouse", create=True)
    upgrade_warehouse(engine)
    with engine.connect() as connection:
        files = {view: (SQL / "views" / f"{view}.sql").read_text() for view in VIEWS}
        columns = {view: list(connection.execute(text(file)).keys()) for view, file in files.items()}
    engine.dispose()
    return columns


@pytest.mark.parametrize("view", VIEWS)
def test_views_have_the_same_columns_on_every_engine(ask, common_columns, view):
    assert list(ask(f"SELECT * FROM {view}")[0]) == common_columns[view]


@pytest.mark.parametrize("file", QUERIES, ids=lambda file: file.stem)
def test_questions_have_an_answer(ask, analyst, file):
    with analyst.connect() as connection:
        result = connection.execute(text(Path(file).read_text()))
        assert result.keys()
        assert result.all()

"""Each file holds one statement with a sentence on top, and runs on every engine."""

import re
from datetime import UTC, datetime
from itertools import dropwhile

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from etl.database.connections import open_engine
from etl.jobs.parameters import read_parameters
from etl.resources import resource
from etl.times.night import night_of
from etl.warehouse.read.questions import read_question
from etl.warehouse.schema import upgrade_warehouse
from etl.warehouse.sql_files import read_sql_file

SQL = resource("sql")
FILES = sorted(file for folder in ("views", "queries") for file in (SQL / folder).rglob("*.sql"))
VIEWS = sorted(file.stem for file in (SQL / "views").glob("*.sql"))
QUERIES = sorted((SQL / "queries").glob("*.sql"))
NOW = datetime(2026, 11, 3, 7, tzinfo=UTC)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SQL)))
def test_a_sentence_and_one_statement(file):
    first, *rest = file.read_text(encoding="utf-8").splitlines()
    assert re.fullmatch(r"-- [A-Z].*[.?:]", first)
    statement = list(dropwhile(lambda line: line.startswith("--"), rest))
    assert re.match("SELECT|WITH", statement[0])
    assert ";" not in "".join(rest)
    assert all(len(line) <= 120 and line == line.rstrip() for line in (first, *rest))


@pytest.mark.parametrize("file", [*QUERIES, *SQL.glob("queries/*/*.sql")], ids=lambda file: str(file.relative_to(SQL)))
def test_a_question_declares_the_parameters_that_it_has(file):
    question = read_question(file)
    declared = [parameter.name for parameter in question.parameters]
    assert file.read_text(encoding="utf-8").count("-- :") == len(declared) == len(set(declared))
    assert set(text(question.statement).compile().params) <= set(declared)
    used = {*text(question.statement).compile().params}
    anchors = {(each.default or "").rpartition(" ")[2] for each in question.parameters}
    assert set(declared) <= used | anchors
    assert all(re.fullmatch(r"[A-Z].*\.", parameter.meaning) for parameter in question.parameters)
    assert read_parameters(
        question, {"task_id": "1"} if question.name == "task_story" else {}, now=NOW, last_night=night_of(NOW)
    ).keys() == {*declared}


def test_an_own_view_stands_beside_a_common_one_and_opens_with_the_same_sentence():
    owns = list(SQL.glob("views/*/*.sql"))
    assert owns
    for own in owns:
        common = SQL / "views" / own.name
        assert own.read_text().splitlines()[0] == common.read_text().splitlines()[0]


def test_an_own_question_stands_beside_a_common_one_and_opens_with_the_same_head():
    owns = list(SQL.glob("queries/*/*.sql"))
    assert owns
    for own in owns:
        question, common = read_question(own), read_question(SQL / "queries" / own.name)
        assert (question.sentence, question.parameters) == (common.sentence, common.parameters)


@pytest.fixture(scope="session")
def common_columns(tmp_path_factory):
    """The columns of each view, by the common files."""
    url = SecretStr(f"duckdb:///{tmp_path_factory.mktemp('common')}/warehouse.duckdb")
    engine = open_engine(url, name="the warehouse", create=True)
    upgrade_warehouse(engine)
    with engine.connect() as connection:
        files = {view: read_sql_file(SQL / "views" / f"{view}.sql").statement for view in VIEWS}
        columns = {view: list(connection.execute(text(file)).keys()) for view, file in files.items()}
    engine.dispose()
    return columns


@pytest.mark.parametrize("view", VIEWS)
def test_views_have_the_same_columns_on_every_engine(ask, common_columns, view):
    assert list(ask(f"SELECT * FROM {view}")[0]) == common_columns[view]

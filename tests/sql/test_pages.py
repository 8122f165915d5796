"""The SQL of the README and of the page for analysts runs on every engine, and gives the answers of the questions."""

import re

import pytest

from etl.resources import resource

README = resource("README.md").read_text(encoding="utf-8")
SQL_PAGE = resource("docs", "how-to", "sql.md").read_text(encoding="utf-8")
STATEMENT = re.compile(r"```sql\n(.+?);\n```", re.DOTALL)
CALENDAR, FAILURES, STORY, AS_OF = STATEMENT.findall(SQL_PAGE)
TASK_ID = "1534087020903704704"


@pytest.fixture
def by_sql(morning):
    """Run a statement as the page says for each engine; rows come as plain text."""

    def run(statement):
        if morning.dialect.name in {"sqlite", "mysql"}:
            statement = statement.replace("+00'", "'")
        with morning.connect() as connection:
            return [dict(row) for row in connection.exec_driver_sql(statement).mappings()]

    return run


def test_the_readme_s_example_is_the_question_of_failures(by_sql, answer):
    (statement,) = STATEMENT.findall(README)
    asked = answer("failures_by_result_code")
    assert {(row["result_code"], row["tasks"]) for row in by_sql(statement)} == {
        (row["result_code"], row["tasks"]) for row in asked
    }


def test_why_last_nights_failures_rose(by_sql, answer):
    def key(row):
        return (row.get("result_code") or "none", row.get("tenant_id"), row["tasks"], row["tasks_before"])

    asked = answer("last_nights_failures", "since=2026-11-03", "until=2026-11-03")
    found = {key(row) for row in by_sql(FAILURES)}
    assert found == {key(row) for row in asked}
    assert ("200", "bee", 2, 0) in found


def test_failures_by_day_of_the_calendar(by_sql):
    rows = by_sql(CALENDAR)
    assert [row["weekday_name"] for row in rows[:2]] == ["Sunday", "Monday"]
    assert [row["tasks_that_failed"] for row in rows] == [0, 1, 4, *[0] * 27]


def test_the_story_of_a_task_begins_when_a_run_first_saw_it(by_sql):
    assert TASK_ID in STORY
    first, *_ = sorted(by_sql(STORY.replace(TASK_ID, "9")), key=lambda row: str(row["valid_from"]))
    assert first["status_name"] == "EXECUTING"
    assert str(first["valid_from"])[:19] == "2026-11-03 03:00:00"


def test_how_a_task_stood_on_3_november_at_noon(by_sql, answer):
    assert TASK_ID in AS_OF
    (row,) = by_sql(AS_OF.replace(TASK_ID, "9"))
    (asked,) = answer("as_of", "at=2026-11-03T12:00", "task_id=9")
    assert row["status_name"] == asked["status_name"] == "EXECUTING"
    assert str(row["valid_from"])[:19] == "2026-11-03 03:00:00"

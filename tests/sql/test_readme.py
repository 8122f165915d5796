"""What the README tells analysts is true: its SQL runs, and gives the answer of its questions."""

import re

import pytest

from etl.resources import resource
from etl.warehouse.read.questions import questions

README = resource("README.md").read_text(encoding="utf-8")
ANALYSTS = README.partition("## For analysts\n")[2].partition("\n## ")[0]
FAILURES, AS_OF = re.findall(r"```sql\n(.+?);\n```", ANALYSTS, re.DOTALL)
TASK_ID = "1534087020903704704"


def test_the_list_of_questions():
    rows = [
        f"| `{each.name}` | {each.sentence} | {', '.join(f'`{parameter.name}`' for parameter in each.parameters)} |"
        for each in questions("common").values()
    ]
    listed = ANALYSTS.split("| question | asks | parameters |\n|---|---|---|\n")[1].split("\n\n")[0]
    assert listed.splitlines() == rows


@pytest.fixture
def by_sql(morning):
    """Run a statement of the README as it says for each engine; rows come as plain text."""

    def run(statement):
        if morning.dialect.name in {"sqlite", "mysql"}:
            statement = statement.replace("+00'", "'")
        with morning.connect() as connection:
            return [dict(row) for row in connection.exec_driver_sql(statement).mappings()]

    return run


def test_why_last_nights_failures_rose(by_sql, answer):
    def key(row):
        return (row.get("result_code") or "none", row.get("tenant_id"), row["tasks"], row["tasks_before"])

    asked = answer("last_nights_failures", "since=2026-11-03", "until=2026-11-03")
    found = {key(row) for row in by_sql(FAILURES)}
    assert found == {key(row) for row in asked}
    assert ("200", "bee", 2, 0) in found


def test_how_a_task_stood_on_3_november_at_noon(by_sql, answer):
    assert TASK_ID in AS_OF
    (row,) = by_sql(AS_OF.replace(TASK_ID, "9"))
    (asked,) = answer("as_of", "at=2026-11-03T12:00", "task_id=9")
    assert row["status_name"] == asked["status_name"] == "EXECUTING"
    assert str(row["valid_from"])[:19] == "2026-11-03 03:00:00"

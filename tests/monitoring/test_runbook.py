"""The commands and statements in the runbook work."""

import re
from typing import get_args

from pydantic import SecretStr
from sqlalchemy import text

from etl.observe.messages import MessageKind
from etl.resources import resource
from tests.nights import task_ids

RUNBOOK = resource("docs", "runbook.md").read_text(encoding="utf-8")
WORDS = " ".join(RUNBOOK.split())
STATEMENTS = re.findall(r"`(SELECT [^`]+)`", WORDS)
QUESTIONS = sorted(set(re.findall(r"task-audit query (\w+)", WORDS)))


def test_every_question_is_answered_and_every_statement_runs(night_of, postgres_url):
    from etl.database.connections import open_engine

    assert len(QUESTIONS) > 5
    assert len(STATEMENTS) >= 3
    url = SecretStr(postgres_url)
    with night_of(None, url, url) as night:
        night.enqueue(*task_ids(3), "not-an-id")
        assert night.run("run").exit_code == 65
        for question in QUESTIONS:
            assert night.run("query", question).exit_code == 0, question
        engine = open_engine(url, name="the warehouse")
        with engine.connect() as connection:
            for statement in STATEMENTS:
                connection.execute(text(statement))
        engine.dispose()


def test_every_kind_of_message_is_explained():
    rows = RUNBOOK.split("| kind | means | look at |")[1]
    assert set(re.findall(r"^\| `(\w+)` \|", rows, re.MULTILINE)) == set(get_args(MessageKind))

"""What commands print for people at 80 columns, and the log in JSON, which has nothing for people beside it."""

import json

import pytest

from etl.fake_api import Behaviour
from tests.nights import TOKEN, task_ids
from tests.terminals import on_a_terminal

pytestmark = pytest.mark.slow


@pytest.fixture
def night(night_of):
    with night_of(Behaviour(token=TOKEN)) as night:
        night.enqueue(*task_ids(60), "not-an-id")
        assert night.run("run").exit_code == 65
        yield night


def test_at_80_columns_every_key_of_every_answer_is_whole(night):
    names = [line for line in night.run("query").stdout.splitlines() if not line.startswith(" ")]
    given = {"task_story": ["--param", f"task_id={task_ids(1)[0]}"]}
    commands = [["query", name, *given.get(name, ())] for name in names]
    answers = [json.loads(night.run(*command, "--format", "json").stdout) for command in commands]
    wide = {column for rows in answers for row in rows for column in row}
    assert {"task_id", "run_id", "tenant_id"} <= wide
    for command, rows, shown in zip(commands, answers, on_a_terminal(*commands, columns=80), strict=True):
        words = shown.decode().split()
        assert "…" not in shown.decode(), command
        for row in rows:
            keys = [value for name, value in row.items() if name.endswith(("_id", "outcome", "status_name")) and value]
            assert [key for key in (*row, *keys) if key not in words] == [], command


def test_the_list_of_dead_letters_has_a_line_for_each_at_80_columns(night):
    listed, status = (shown.decode() for shown in on_a_terminal(["dead-letters", "list"], ["status"], columns=80))
    headings, *letters = listed.splitlines()
    assert headings.split() == ["task_id", "reason", "last", "failed", "decision", "HTTP", "code"]
    assert [letter.split()[:2] for letter in letters] == [["not-an-id", "invalid_id"]]
    assert max(map(len, (*listed.splitlines(), *status.splitlines()))) <= 80
    assert "trace_id" in night.run("dead-letters", "show", "not-an-id").stdout


def test_with_a_log_in_json_stderr_holds_json_alone(night, tmp_path, configure):
    configure(archive__location=tmp_path / "archive")
    night.enqueue(*task_ids(80))
    for command in (
        ["run"],
        ["run", "--dry-run", "--refetch"],
        ["replay"],
        ["dead-letters", "list", "--older-than", "9d"],
        ["report", "--out", tmp_path / "page.html"],
        ["query", "incomplete_runs"],
        ["query", "no_question"],
    ):
        ended = night.run(*command, "--log-format", "json")
        events = [json.loads(line)["event"] for line in ended.stderr.splitlines()]
        assert events, command
    *_, last = night.run("run", "--log-format", "console").stderr.rstrip().splitlines()
    assert last.startswith("took")


def test_numbers_for_people_have_separators(night):
    ids = [str(number) for number in range(1_000, 3_000)]
    assert night.run("enqueue", *ids, *ids).stdout == "2,000 new, 0 already there, 2,000 repeated in the input.\n"

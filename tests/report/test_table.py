"""Tables for people: whatever the width, no key, heading or status is cut or broken over two lines."""

import io

import pytest
from rich.console import Console

from etl.report.result_set import print_object, print_table
from etl.warehouse.read.questions import ResultSet

TASK, TRACE = "1534087020903704704", "0af7651916cd43dd8448eb211c80319c"
SENTENCE = "The organisation has used up its quota, so KooDrive could not hand over the files of the leaver."
COLUMNS = ["task_id", "exit_code", "outcome", "trace_id", "said"]
ROWS = [(TASK, 65, "dead_letters", TRACE, SENTENCE), ("17", None, "succeeded", None, "-1")]


def printed(columns, rows, *, width):
    console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system=None)
    print_table(ResultSet(columns=columns, rows=rows), console=console)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [50, 80, 110, 126, 10_000])
def test_every_key_stands_whole_on_one_line(width):
    lines = printed(COLUMNS, ROWS, width=width)
    for whole in (*COLUMNS, TASK, "65", "dead_letters", TRACE, "17", "succeeded"):
        assert any(whole in line.split() for line in lines), (whole, lines)
    assert " ".join(" ".join(lines).split()).count("leaver.") == 1
    assert max(map(len, lines)) <= width
    assert "…" not in "".join(lines)


def test_a_wide_console_gets_a_table_and_a_narrow_one_records():
    headings, first, *_ = printed(COLUMNS, ROWS, width=200)
    assert (headings.split(), first.split()[:4]) == (COLUMNS, [TASK, "65", "dead_letters", TRACE])
    records = [line.split(None, 1) for line in printed(COLUMNS[:4], [row[:4] for row in ROWS], width=60)]
    assert records == [
        ["task_id", TASK],
        ["exit_code", "65"],
        ["outcome", "dead_letters"],
        ["trace_id", TRACE],
        [],
        ["task_id", "17"],
        ["exit_code", "-"],
        ["outcome", "succeeded"],
        ["trace_id", "-"],
    ]


def test_a_sentence_continues_below_its_beginning():
    _, first, second, *_ = printed(COLUMNS, ROWS, width=126)
    assert first.index("The organisation") == second.index(next(iter(second.split())))


def test_a_key_that_is_wider_than_the_terminal_is_left_to_the_terminal():
    console = Console(width=80, file=io.StringIO(), force_terminal=True, color_system=None)
    print_object({"task_id": "9" * 500, "detail": SENTENCE}, console=console)
    lines = console.file.getvalue().splitlines()
    assert lines[0] == "task_id  " + "9" * 500
    assert [line.rstrip() for line in lines[1:]] == [
        "detail   The organisation has used up its quota, so KooDrive could not hand over",
        "         the files of the leaver.",
    ]


def test_wide_characters_are_counted_with_their_width():
    columns, row = ["name", "title"], ("批" * 20, "量" * 20)
    assert len(printed(columns, [row], width=82)) == 2
    assert [line.split() for line in printed(columns, [row], width=81)] == [["name", row[0]], ["title", row[1]]]

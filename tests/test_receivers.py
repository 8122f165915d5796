"""Text from outside meets each kind of receiver, and none of them runs, obeys or hides it."""

import io
import json
from datetime import UTC, datetime

import msgspec
import pytest
import structlog

from etl.observe.logs import configure_logs
from etl.observe.messages import MAX_TEXT_LENGTH, NewCode, RunNews, messages_of
from etl.observe.template import values_of
from etl.receivers import for_chat, for_html, for_terminal, for_terminal_json
from etl.runs import begin_run
from etl.settings.notify import NotifySettings
from etl.tasks import Selection
from tests.nights import FIRST_ID
from tests.repeating_api import repeating
from tests.terminals import on_a_terminal

HOSTILE = "\x1b]0;x\x07\x9b31m 1\n@everyone [re-login](https://evil.example) <!channel> `x`\u202e\0"

CODE = "\x1b[2J\x9b"
"""A result code that clears a terminal."""

SHOWN_CODE = r"\x1b[2J\x9b"


OBEYED = [
    "\0",
    "\x1b",
    "\x7f",
    "\x80",
    "\x9b",
    "\r",
    "\u061c",
    "\u200e",
    "\u202e",
    "\u2067",
    "\u2028",
    "\ufeff",
    "\U000e0041",
]
"""Controls of ASCII and Latin-1, DEL, the directions of writing, a separator of lines, and a tag."""


@pytest.mark.parametrize("character", OBEYED, ids=ascii)
def test_what_a_terminal_would_obey_is_shown_and_stays_the_same_in_json(character):
    assert for_terminal(character, keeps_lines=True) == ascii(character)[1:-1]
    document = msgspec.json.encode({character: character}).decode()
    shown = for_terminal_json(document)
    assert shown.isascii()
    assert shown.isprintable()
    assert json.loads(shown) == json.loads(document)


@pytest.mark.parametrize(
    "words", ["王芳\u3000请假", "A\u00a0B", "\u0645\u06cc\u200c\u062e", "\U0001f469\u200d\U0001f4bb", "a\\x1b"]
)
def test_words_of_every_script_stay_as_they_are(words):
    assert for_terminal(words) == for_html(words) == words


def test_the_lines_of_a_file_stay_on_a_terminal_and_in_a_page():
    assert for_terminal("a,b\n\x1b[2J\t1\n", keeps_lines=True) == "a,b\n\\x1b[2J\t1\n"
    assert for_html("\x1b<\x9b\n\0") == "\\x1b<\\x9b\n\\x00"
    assert for_terminal("a\nb\t") == "a\\nb\\t"


@pytest.mark.parametrize("has_markup", [True, False])
def test_a_chat_gets_one_line_without_mentions_and_disguised_links(has_markup):
    shown = for_chat(HOSTILE, has_markup=has_markup)

    assert "\n" not in shown
    assert "\x1b" not in shown
    assert "\0" not in shown
    assert "@everyone" not in shown
    assert "](" not in shown
    assert ("<!channel>" in shown) is not has_markup


def test_hostile_codes_cannot_make_a_message_longer_than_a_chat_takes():
    run = begin_run(Selection(), max_rate=1, now=datetime(2026, 11, 2, tzinfo=UTC))
    (message,) = messages_of(run, NotifySettings(), news=RunNews(codes=[NewCode("\x1b<" * 100, 7)] * 10))

    assert len(values_of(message)["text"]) == MAX_TEXT_LENGTH


def test_a_new_result_code_cannot_leave_its_quotation():
    run = begin_run(Selection(), max_rate=1, now=datetime(2026, 11, 2, tzinfo=UTC))
    (message,) = messages_of(run, NotifySettings(), news=RunNews(codes=[NewCode(HOSTILE, 7)]))

    text = values_of(message)["text"]

    assert text.count("`") == 2
    assert "\n" not in text
    assert text.endswith("` (7).")


def test_the_log_of_a_person_sends_no_control_character(monkeypatch):
    stderr = io.StringIO()
    monkeypatch.setattr("sys.stderr", stderr)
    configure_logs("console", verbose=False)

    structlog.get_logger().warning(
        "task_dead_lettered", error_code="\x1b[2J", said=[HOSTILE], exc_info=ValueError(HOSTILE)
    )

    assert all(line.isprintable() for line in stderr.getvalue().split("\n"))
    assert "\\x1b]0;x" in stderr.getvalue()


PIPED = {
    ("labels", "export"): CODE,
    ("query", "new_result_codes", "--format", "csv"): CODE,
    ("query", "new_result_codes", "--format", "json"): json.dumps(CODE, ensure_ascii=False),
    ("query", "new_result_codes"): SHOWN_CODE,
    ("report",): SHOWN_CODE,
}
"""How the code stands in a file or a pipe: CSV and JSON have the data itself, tables and pages are for people."""


def test_data_on_a_terminal_has_no_control_character(night_of, configure):
    with repeating() as api, night_of() as night:
        api.result_code = CODE
        configure(api__base_url=api.url)
        night.enqueue(str(FIRST_ID + (2_000 << 23)))
        assert night.run("run").exit_code == 0
        shown = dict(zip(PIPED, map(bytes.decode, on_a_terminal(*PIPED)), strict=True))
        piped = {command: night.run(*command).stdout for command in PIPED}

    assert [command for command, code in PIPED.items() if code not in piped[command]] == []
    for command, printed in shown.items():
        assert "\x9b" not in printed, command
        assert "\x1b[2J" not in printed, command
        assert SHOWN_CODE in printed or "\\u001b[2J\\u009b" in printed, command

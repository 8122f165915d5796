"""The messages about a run, without a webhook."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from etl.error_codes import Code
from etl.observe.messages import MAX_TEXT_LENGTH, NewCode, RunNews, messages_of
from etl.runs import AuditRun
from etl.settings.notify import NotifySettings
from etl.warehouse.read.letter_news import LetterNews

NOW = datetime(2026, 11, 3, 1, tzinfo=UTC)

RUN = AuditRun(run_id="run-1", started_at=NOW, finished_at=NOW, max_rate=50, host="host", exit_code=0)


def test_the_result_codes_in_a_message_are_bounded():
    codes = [NewCode(f"{each}" * 5_000, 1) for each in range(10_000)]
    (message,) = messages_of(RUN, NotifySettings(), news=RunNews(codes=codes))

    assert len(message.text) < MAX_TEXT_LENGTH
    assert "and 9,990 more" in message.text


def test_an_event_that_is_switched_off_makes_no_message():
    run = replace(RUN, exit_code=75, dead_lettered=3)
    settings = NotifySettings(exit_codes=(70,), dead_letters_above=3, nothing_audited=False, new_result_codes=False)

    assert messages_of(run, settings, pending=9, news=RunNews(codes=[NewCode("x", 1)])) == []


@pytest.mark.parametrize(
    ("claimed", "released", "code", "kinds"),
    [
        (404, 8, Code.TASKS_UNANSWERED, []),
        (404, 9, Code.TASKS_UNANSWERED, ["failed"]),
        (404, 8, Code.STOPPED_BY_TIME, ["failed"]),
        (404, 8, Code.API_UNAVAILABLE, ["failed"]),
    ],
)
def test_a_few_tasks_without_an_answer_make_no_message(claimed, released, code, kinds):
    error = f"[{code}] {released} tasks have no answer yet. Wait."
    run = replace(RUN, exit_code=75, claimed=claimed, audited=claimed - released, released=released, error=error)

    assert [message.kind for message in messages_of(run, NotifySettings())] == kinds
    (message,) = messages_of(run, NotifySettings(unanswered_above=0))
    assert f"Help: `task-audit explain {code}`." in message.text
    is_unanswered = code is Code.TASKS_UNANSWERED
    assert ("some tasks are still pending, with no answer for now" in message.text) is is_unanswered


def test_dead_letters_that_failed_again_are_not_new():
    run = replace(RUN, exit_code=65, dead_lettered=3)
    letters = [LetterNews(reason="not_found", new=0, again=2), LetterNews(reason="exhausted", new=0, again=1)]

    (message,) = messages_of(run, NotifySettings(), news=RunNews(letters=letters))
    assert message.text.startswith("Dead letters: 0 new, 3 that failed again (not_found 2, exhausted 1).")
    (message,) = messages_of(run, NotifySettings())
    assert message.text.startswith("Dead letters of this run: 3.")

"""The messages about a run, without a webhook."""

from datetime import UTC, datetime

from etl.observe.messages import MAX_TEXT_LENGTH, NewCode, messages_of
from etl.runs import AuditRun
from etl.settings.model import NotifySettings

NOW = datetime(2026, 11, 3, 1, tzinfo=UTC)

RUN = AuditRun(run_id="run-1", started_at=NOW, finished_at=NOW, max_rate=50, host="host", exit_code=0)


def test_the_result_codes_in_a_message_are_bounded():
    codes = [NewCode(f"{each}" * 5_000, 1) for each in range(10_000)]
    (message,) = messages_of(RUN, NotifySettings(), new_codes=codes)

    assert len(message.text) < MAX_TEXT_LENGTH
    assert "and 9,990 more" in message.text


def test_an_event_that_is_switched_off_makes_no_message():
    from dataclasses import replace

    run = replace(RUN, exit_code=75, dead_lettered=3)
    settings = NotifySettings(exit_codes=(70,), dead_letters_above=3, nothing_audited=False, new_result_codes=False)

    assert messages_of(run, settings, pending=9, new_codes=[NewCode("x", 1)]) == []

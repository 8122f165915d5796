"""Messages in the form of each chat: accepted by a sink as strict as the service, and without markup from outside."""

import json
import re
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.observe.chats import CHATS
from etl.observe.messages import MAX_TEXT_LENGTH, Message
from tests.chat_services import SERVICES, dingtalk, shown

RUNBOOK = "https://wiki.example/run book/?page=1&v=<2>"
LINK = "https://wiki.example/run%20book/?page=1&v=%3C2%3E#exit-code-65"
HOSTILE = (
    "<!channel> <@U024BE7LH> @all @13800138000 <@zhangsan> <at>Ann</at> [click](https://evil.example/a) *bold* "
    "_it_ `code` https://evil.example www.evil.example <https://evil.example|here> &lt;b&gt; # head\n- item\u202e"
)
each_chat = pytest.mark.parametrize("chat", SERVICES)


def a_message(text, *, kind="dead_letters", host="host", run_id="run-1"):
    return Message(run_id=run_id, kind=kind, exit_code=65, host=host, text=text)


def posted(chat, message, link=LINK):
    body = json.dumps(CHATS[chat].body(message, link), ensure_ascii=False).encode()
    status, answer = SERVICES[chat]("/robot/send?access_token=x", body)
    assert CHATS[chat].refusal(status, answer) is None, answer
    return shown(chat, body)


@each_chat
def test_a_text_from_outside_is_neither_markup_nor_a_mention_nor_a_link(chat):
    text, links = posted(chat, a_message(HOSTILE, host=HOSTILE))

    assert links == [LINK]
    assert not re.search(r"@\w|://|www\.|\]\(", text)
    assert "\u202e" not in text
    assert "&lt;b&gt; # head - item" in text


@each_chat
@given(text=st.text(max_size=MAX_TEXT_LENGTH), host=st.text(max_size=200), kind=st.sampled_from(["failed", "digest"]))
def test_any_message_is_accepted(chat, text, host, kind):
    posted(chat, a_message(text, host=host, kind=kind))


@each_chat
@pytest.mark.parametrize("text", ["&" * 2_000, "\N{PILE OF POO}" * 2_000, "王" * 2_000, "\x1b" * 2_000, '"' * 2_000])
def test_a_long_message_is_cut_and_keeps_its_link_and_its_name(chat, text):
    found, links = posted(chat, a_message(text))

    assert links == [LINK]
    assert "task-audit on host: " in found
    assert found.endswith("run-1:dead_letters")


@each_chat
def test_a_digest_has_a_line_for_each_fact(chat):
    text, links = posted(chat, a_message("Night to 29 November 2026: all went well.\nRuns: 1.", kind="digest"), None)

    assert links == []
    assert text.splitlines() == [
        "task-audit on host: Night to 29 November 2026: all went well.",
        "Runs: 1.",
        "run-1:digest",
    ]


@each_chat
def test_a_message_comes_from_the_command_to_the_chat(notified_night, webhook, chat):
    webhook.service = SERVICES[chat]
    with notified_night(notify__format=chat, notify__runbook_url=RUNBOOK) as night:
        night.enqueue("not-an-id")
        assert night.run("run").exit_code == 65
        assert night.rows("SELECT kind FROM notification WHERE sent_at IS NOT NULL") == [("dead_letters",)]

    ((_, headers, body),) = webhook.posts
    text, links = shown(chat, body)
    assert headers["Content-Type"] == "application/json"
    assert links == [LINK]
    assert "Dead letters: 1 new, 0 that failed again (invalid_id 1)." in text


@pytest.mark.parametrize(
    ("chat", "answer", "complaint"),
    [
        ("dingtalk", (200, b'{"errcode":310000,"errmsg":"sign not match"}'), "answers 200 with the errcode 310000"),
        ("dingtalk", (200, b"<html>log in</html>"), "without an errcode"),
        ("dingtalk", (200, b""), "without an errcode"),
        ("wecom", (200, b'{"errcode":45009,"errmsg":"api freq out of limit"}'), "answers 200 with the errcode 45009"),
        ("wecom", (200, b'"ok"'), "without an errcode"),
        ("wecom", (502, b'{"errcode":0}'), "answers 502"),
        (
            "teams",
            (200, b'"Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429"'),
            "did not deliver",
        ),
        ("slack", (404, b"no_service"), "answers 404"),
    ],
)
def test_an_error_that_comes_with_any_status_is_not_delivered(notified_night, webhook, chat, answer, complaint):
    webhook.service = lambda _path, _body: answer
    with notified_night(notify__format=chat) as night:
        failed = night.run("notify", "--test")
        webhook.service = SERVICES[chat]
        sent = night.run("notify", "--test")

    assert (failed.exit_code, sent.exit_code) == (69, 0)
    assert complaint in failed.stderr


def test_a_message_that_a_robot_refused_is_sent_again(notified_night, webhook):
    webhook.service = lambda _path, _body: (200, b'{"errcode":45009,"errmsg":"api freq out of limit"}')
    with notified_night(notify__format="wecom") as night:
        night.enqueue("not-an-id")
        assert night.run("run").exit_code == 65
        assert night.rows("SELECT kind FROM notification WHERE sent_at IS NULL") == [("dead_letters",)]
        webhook.service = SERVICES["wecom"]
        assert night.run("notify").stdout == "1 sent.\n"

    assert len(set(webhook.keys)) == 1


def test_a_robot_with_a_secret_takes_signed_messages_only(notified_night, webhook, configure, tmp_path):
    webhook.service = partial(dingtalk, secret="SEC-CANARY-91b2")
    file = tmp_path / "dingtalk_secret"
    file.write_text("SEC-CANARY-91b2\n")
    with notified_night(
        notify__format="dingtalk", notify__webhook_url=f"{webhook.url}?access_token=t", notify__dingtalk_secret="SEC-no"
    ) as night:
        refused = night.run("notify", "--test")
        configure(notify__dingtalk_secret="SEC-CANARY-91b2")
        taken = [night.run("notify", "--test"), night.run("config", "show")]

    assert (refused.exit_code, *(each.exit_code for each in taken)) == (69, 0, 0)
    assert "sign not match" in refused.stderr
    assert "CANARY-91b2" not in "".join(each.stdout + each.stderr for each in taken)


def test_an_answer_without_end_is_cut(notified_night, webhook):
    webhook.service = lambda _path, _body: (200, b"x" * (1 << 22))
    with notified_night(notify__format="wecom") as night:
        assert night.run("notify", "--test").exit_code == 69

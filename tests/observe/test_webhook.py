"""The address and the template of the webhook."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from etl.fake_api import Behaviour
from etl.observe.messages import Message
from etl.observe.webhook import Webhook, open_webhook
from etl.settings.notify import NotifySettings
from tests.nights import TOKEN


def test_notify_without_a_webhook_is_78(task_audit):
    result = task_audit("notify", "--test")

    assert result.exit_code == 78
    assert "notify.webhook_url_file" in result.stderr


def test_a_template_of_the_user_is_filled_in(notified_night, webhook, tmp_path):
    file = tmp_path / "template.json"
    file.write_text('{"attachments": [{"title": "$outcome $exit_code", "n": 1}], "cost": "$$5", "id": "$run_id/$kind"}')
    with notified_night(notify__template=file) as night:
        assert night.run("notify", "--test").exit_code == 0

    ((_, headers, body),) = webhook.posts
    run_id, kind = headers["Idempotency-Key"].split(":")
    assert json.loads(body) == {
        "attachments": [{"title": "succeeded 0", "n": 1}],
        "cost": "$5",
        "id": f"{run_id}/{kind}",
    }


def test_a_message_from_a_template_ends_with_the_section_of_the_runbook(notified_night, webhook):
    with notified_night(notify__runbook_url="https://wiki.example/?a=1&b=2") as night:
        assert night.run("notify", "--test").exit_code == 0

    link = "https://wiki.example/?a=1&amp;b=2#messages-of-the-webhook"
    assert f"Messages about runs come this way. Runbook: {link}\n" in webhook.texts[0]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "No such file"),
        ("{", "cannot be used: Expecting"),
        ('{"text": "$secret"}', "it names $secret"),
        ('{"text": "5 $"}', "Invalid placeholder"),
    ],
)
def test_a_wrong_template_is_78_before_the_run_begins(notified_night, webhook, tmp_path, content, complaint):
    file = tmp_path / "template.json"
    if content is not None:
        file.write_text(content)
    with notified_night(notify__template=file) as night:
        result = night.run("run")
        assert night.rows("SELECT * FROM audit_run") == []

    assert result.exit_code == 78
    assert complaint in result.stderr
    assert "$idempotency_key" in result.stderr


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (
            {"webhook_url": "hooks.slack.com/CANARY"},
            "notify.webhook_url (from TASK_AUDIT_NOTIFY__WEBHOOK_URL): is not a URL",
        ),
        ({"webhook_url": "http://hooks.slack.com/CANARY"}, "must be https"),
        ({"webhook_url": " "}, "is empty"),
        ({"webhook_url": "https://host/CANARY", "webhook_url_file": "file"}, "keep one"),
        ({"exit_codes": "[0]"}, "notify.exit_codes"),
        ({"format": "irc"}, "notify.format"),
        ({"format": "teams", "template": "file"}, "template: only with format = 'json'"),
        ({"dingtalk_secret": "SEC-CANARY"}, "dingtalk_secret: only with format = 'dingtalk'"),
        ({"format": "dingtalk", "dingtalk_secret": "SEC-CANARY", "dingtalk_secret_file": "file"}, "keep one"),
        ({"runbook_url": "docs/runbook.md"}, "is not a URL such as https://wiki.example"),
        ({"runbook_url": "https://wiki.example/#exit-code-65"}, "the job adds the section"),
    ],
)
def test_a_wrong_setting_is_78(task_audit, configure, settings, complaint):
    configure(**{f"notify__{key}": value for key, value in settings.items()})
    result = task_audit("config", "show")

    assert result.exit_code == 78
    assert complaint in result.stderr
    assert "CANARY" not in result.stderr


@pytest.mark.parametrize("content", [None, b"\xff", b"CANARY", b"http://hooks.slack.com/CANARY"])
def test_a_file_that_holds_no_address_is_78(task_audit, configure, tmp_path, content):
    file = tmp_path / "webhook_url"
    if content is not None:
        file.write_bytes(content)
    configure(notify__webhook_url_file=file)
    result = task_audit("notify", "--test")

    assert result.exit_code == 78
    assert f"notify.webhook_url_file: {file}" in result.stderr
    assert "CANARY" not in result.stderr


def test_the_address_may_be_in_a_file(notified_night, night_of, webhook, tmp_path):
    file = tmp_path / "webhook_url"
    file.write_text(f"{webhook.url}\n")
    with night_of(Behaviour(token=TOKEN), notify__webhook_url_file=file) as night:
        night.enqueue("not-an-id")
        assert night.run("run").exit_code == 65

    assert webhook.kinds == ["dead_letters"]


@given(text=st.text(), host=st.text())
def test_any_message_is_one_json_document_without_slack_markup(text, host):
    from etl.observe.template import fill, values_of

    message = Message(run_id="r", kind="failed", exit_code=70, host=host, text=text)
    filled = fill({"a": ["<b> $text $host"], "$text": 1}, values_of(message))

    assert json.loads(json.dumps(filled)) == filled
    assert filled["a"][0].startswith("<b> ")
    assert not set(filled["a"][0][4:]) & set("<>\0")


def test_a_webhook_is_opened_only_if_one_is_configured():
    assert open_webhook(NotifySettings()) is None
    assert isinstance(open_webhook(NotifySettings(webhook_url=SecretStr("https://host/x"))), Webhook)

"""What four chats accept, by their documentation, and what people see of it: sinks for tests."""

import base64
import hashlib
import hmac
import json
import time
from html import unescape
from urllib.parse import parse_qs, urlsplit

ROBOT_OK = b'{"errcode":0,"errmsg":"ok"}'
SIGNATURE_SECONDS = 3_600


def only(part, *keys, optional=()):
    """Refuse unknown and missing keys."""
    assert set(keys) <= set(part) <= {*keys, *optional}, part


def slack(_path, body):
    """Answer as an incoming webhook of Slack."""
    try:
        message = json.loads(body)
        only(message, "text", "blocks", optional=("mrkdwn", "unfurl_links"))
        assert 1 <= len(message["blocks"]) <= 50
        for block in message["blocks"]:
            texts = [block["text"]] if block["type"] == "section" else block["elements"]
            assert block["type"] in {"section", "context"}
            assert len(texts) <= 10
            for text in texts:
                only(text, "type", "text", optional=("emoji",) if text["type"] == "plain_text" else ("verbatim",))
                assert text["type"] in {"plain_text", "mrkdwn"}
                assert 1 <= len(text["text"]) <= 3_000
    except (AssertionError, KeyError, ValueError):
        return 400, b"invalid_blocks"
    return 200, b"ok"


def teams(_path, body):
    """Answer as a workflow of Teams that posts a card."""
    if len(body) > 28_000:
        return 413, b""
    try:
        message = json.loads(body)
        only(message, "type", "attachments")
        (attachment,) = message["attachments"]
        only(attachment, "contentType", "contentUrl", "content")
        card = attachment["content"]
        only(card, "$schema", "type", "version", "body", optional=("msteams", "actions"))
        assert (message["type"], card["type"], card["version"]) == ("message", "AdaptiveCard", "1.4")
        assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
        for block in card["body"]:
            only(block, "type", "inlines")
            assert block["type"] == "RichTextBlock"
            for run in block["inlines"]:
                only(run, "type", "text", optional=("weight", "size", "isSubtle"))
                assert run["type"] == "TextRun"
        for action in card.get("actions", ()):
            only(action, "type", "title", "url")
            assert action["type"] == "Action.OpenUrl"
    except (AssertionError, KeyError, ValueError):
        return 400, b'{"error":{"code":"TriggerInputSchemaMismatch"}}'
    return 202, b""


def dingtalk(path, body, *, secret=None):
    """Answer as a robot of DingTalk with the keyword task-audit, or with a secret."""
    query = parse_qs(urlsplit(path).query)
    if secret:
        milliseconds = query["timestamp"][0]
        digest = hmac.new(secret.encode(), f"{milliseconds}\n{secret}".encode(), hashlib.sha256).digest()
        is_recent = abs(time.time() - int(milliseconds) / 1_000) < SIGNATURE_SECONDS
        if not is_recent or query["sign"] != [base64.b64encode(digest).decode()]:
            return 200, b'{"errcode":310000,"errmsg":"sign not match"}'
    if len(body) > 20_000:
        return 200, b'{"errcode":460101,"errmsg":"message too long, exceed 20000 bytes"}'
    message = json.loads(body)
    only(message, "msgtype", "text", "at")
    if message["msgtype"] != "text" or not message["text"]["content"]:
        return 200, b'{"errcode":40035,"errmsg":"missing parameter"}'
    if "task-audit" not in message["text"]["content"]:
        return 200, b'{"errcode":310000,"errmsg":"keywords not in content"}'
    return 200, ROBOT_OK


def wecom(_path, body):
    """Answer as a group robot of WeCom."""
    message = json.loads(body)
    only(message, "msgtype", "text")
    only(message["text"], "content")
    if len(message["text"]["content"].encode()) > 2_048:
        return 200, b'{"errcode":40058,"errmsg":"text.content exceed max length 2048. invalid Request Parameter"}'
    return 200, ROBOT_OK


SERVICES = {"slack": slack, "teams": teams, "dingtalk": dingtalk, "wecom": wecom}


def shown(service, body):
    """Return what a person reads, and the addresses that the message itself links to."""
    message = json.loads(body)
    if service == "slack":
        texts = [message["blocks"][0]["text"]]
        texts += message["blocks"][1]["elements"]
        links = [text["text"] for text in texts if text["type"] == "mrkdwn"]
        plain = [text["text"] for text in texts if text["type"] == "plain_text"]
        assert not any(sign in text for text in [*plain, message["text"]] for sign in "<>")
        return "\n".join(map(unescape, plain)), [unescape(link.strip("<>").partition("|")[0]) for link in links]
    if service == "teams":
        card = message["attachments"][0]["content"]
        text = "\n".join(run["text"] for block in card["body"] for run in block["inlines"])
        return text, [action["url"] for action in card.get("actions", ())]
    text = message["text"]["content"]
    assert message.get("at", {"isAtAll": False}) == {"isAtAll": False}
    links = [line.removeprefix("Runbook: ") for line in text.splitlines() if line.startswith("Runbook: ")]
    return "\n".join(line for line in text.splitlines() if not line.startswith("Runbook: ")), links

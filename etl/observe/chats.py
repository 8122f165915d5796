"""The messages as four chats take them, and what each chat answers if it does not take one. Pure.

Each form is one that reads no markup, so that a text from outside stays text:

- Slack, an incoming webhook: https://docs.slack.dev/reference/block-kit/composition-objects/text-object
- Teams, a workflow: https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
- DingTalk, a custom robot: https://open.dingtalk.com/document/orgapp/custom-robots-send-group-messages
- WeCom, a group robot: https://developer.work.weixin.qq.com/document/path/91770
"""

import hmac
import json
from base64 import b64encode
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from yarl import URL

from etl.observe.messages import Message
from etl.receivers import IN_MARKUP, for_plain_chat

MAX_SLACK_CHARACTERS = 3_000
"""The characters of a text object."""

MAX_TEAMS_BYTES = 24_000
"""Teams takes messages of about 28 KB, with the card around the text."""

MAX_DINGTALK_BYTES = 18_000
"""DingTalk takes bodies of 20,000 bytes."""

MAX_WECOM_BYTES = 2_048
"""The bytes of the content."""

TEAMS_FAILURE = b"Webhook message delivery failed"
"""The beginning of an answer of Teams with the status 200 that reports an error of the server behind it."""

SUCCESS = range(200, 300)


@dataclass(frozen=True, slots=True)
class Chat:
    """How a chat takes a message."""

    body: Callable[[Message, str | None], object]
    """Makes the JSON document of a message; the second argument is the address of a page that explains it, if any."""
    refusal: Callable[[int, bytes], str | None]
    """Returns why an answer, a status and a body, means that the chat did not take the message; None if it did."""


def refusal_by_status(status: int, _answer: bytes) -> str | None:
    """Return what a status says if it is no success."""
    return None if status in SUCCESS else f"answers {status}"


def sign(url: URL, secret: str, *, milliseconds: int) -> URL:
    """Sign the address of a robot of DingTalk, which accepts the signature for an hour.

    Args:
        url: the address.
        secret: the secret that the robot's settings show.
        milliseconds: the time since 1970.
    """
    signature = hmac.digest(secret.encode(), f"{milliseconds}\n{secret}".encode(), "sha256")
    return url.update_query(timestamp=str(milliseconds), sign=b64encode(signature).decode())


def _slack(message: Message, link: str | None) -> object:
    def escape(text: str) -> str:
        for sign_, entity in IN_MARKUP:
            text = text.replace(sign_, entity)
        return text

    def plain(text: str) -> object:
        shown = _fitted(text, MAX_SLACK_CHARACTERS, size=lambda part: len(escape(part)))
        return {"type": "plain_text", "text": escape(shown), "emoji": False}

    footer = [plain(for_plain_chat(message.idempotency_key))]
    if link:
        footer.append({"type": "mrkdwn", "text": f"<{escape(link)}|Runbook>", "verbatim": True})
    head, *lines = _lines(message)
    return {
        # Notifications show this text, and no markup is made of it.
        "text": escape(_fitted(head, MAX_SLACK_CHARACTERS // 5, size=len)),
        "mrkdwn": False,
        "unfurl_links": False,
        "blocks": [
            {"type": "section", "text": plain("\n".join([head, *lines]))},
            {"type": "context", "elements": footer},
        ],
    }


def _teams(message: Message, link: str | None) -> object:
    text = _fitted("\n".join(_lines(message)), MAX_TEAMS_BYTES, size=_json_bytes)
    head, *lines = [*text.split("\n"), for_plain_chat(message.idempotency_key)]
    runs = [
        {"type": "TextRun", "text": head, "weight": "Bolder"},
        *({"type": "TextRun", "text": line} for line in lines[:-1]),
        {"type": "TextRun", "text": lines[-1], "size": "Small", "isSubtle": True},
    ]
    card: dict[str, object] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        # A RichTextBlock reads no Markdown, unlike a TextBlock.
        "body": [{"type": "RichTextBlock", "inlines": [run]} for run in runs],
        "msteams": {"width": "Full"},
    }
    if link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Runbook", "url": link}]
    content_type = "application/vnd.microsoft.card.adaptive"
    return {
        "type": "message",
        "attachments": [{"contentType": content_type, "contentUrl": None, "content": card}],
    }


def _dingtalk(message: Message, link: str | None) -> object:
    return {
        "msgtype": "text",
        "text": {"content": _plain_text(message, link, MAX_DINGTALK_BYTES, size=_json_bytes)},
        "at": {"isAtAll": False},
    }


def _wecom(message: Message, link: str | None) -> object:
    content = _plain_text(message, link, MAX_WECOM_BYTES, size=lambda text: len(text.encode()))
    return {"msgtype": "text", "text": {"content": content}}


def _teams_refusal(status: int, answer: bytes) -> str | None:
    if status in SUCCESS and answer.lstrip(b'"').startswith(TEAMS_FAILURE):
        return f"answers {status}, but Teams did not deliver the message"
    return refusal_by_status(status, answer)


def _robot_refusal(status: int, answer: bytes) -> str | None:
    """Read the answer of DingTalk or WeCom, whose errors have the status 200."""
    if status not in SUCCESS:
        return refusal_by_status(status, answer)
    try:
        code = json.loads(answer)["errcode"]
    except (ValueError, TypeError, KeyError):
        return f"answers {status} without an errcode, so it is not the robot that answers"
    return None if code == 0 else f"answers {status} with the errcode {str(code)[:20]}"


CHATS = {
    "slack": Chat(_slack, refusal_by_status),
    "teams": Chat(_teams, _teams_refusal),
    "dingtalk": Chat(_dingtalk, _robot_refusal),
    "wecom": Chat(_wecom, _robot_refusal),
}


def _lines(message: Message) -> list[str]:
    """Return the lines of a message as plain text, with the program and the machine in front."""
    first, *rest = (for_plain_chat(line) for line in message.lines)
    return [f"task-audit on {for_plain_chat(message.host)}: {first}", *rest]


def _plain_text(message: Message, link: str | None, limit: int, *, size: Callable[[str], int]) -> str:
    """Return a message as plain text that ends with the link and the name of the message, and fits a limit."""
    footer = "\n".join([*([f"Runbook: {link}"] if link else []), for_plain_chat(message.idempotency_key)])
    text = _fitted("\n".join(_lines(message)), limit - size(footer) - 2, size=size)
    return f"{text}\n{footer}"


def _fitted(text: str, limit: int, *, size: Callable[[str], int]) -> str:
    """Cut a text to a size, with an ellipsis at its end."""
    if size(text) <= limit:
        return text
    length = bisect_right(range(len(text)), limit, key=lambda number: size(f"{text[:number]}…"))
    return f"{text[: max(0, length - 1)]}…"


def _json_bytes(text: str) -> int:
    return len(json.dumps(text, ensure_ascii=False).encode())

"""Sends messages to a webhook: posts each once, in the form that the settings name.

The address is a secret, since its owner can post to the channel: no error and no log line contains it.
"""

import json
import time
from pathlib import Path

from pydantic import SecretStr
from yarl import URL

from etl.error_codes import Code
from etl.errors import UnavailableError
from etl.observe.chats import CHATS, Chat, refusal_by_status, sign
from etl.observe.messages import Message
from etl.observe.template import fill, read_template, values_of
from etl.settings.checks import check_webhook_url
from etl.settings.notify import NotifySettings
from etl.settings.secret_files import load_secret

REMEDY = "Check that the webhook accepts messages; `task-audit notify` sends them again."

MAX_QUOTE_CHARACTERS = 200
"""The characters of an answer that an error quotes."""

WITHOUT_MARKUP = frozenset({"discord.com", "discordapp.com"})
"""The chats that show an entity such as ``&lt;`` letter by letter."""


class Webhook:
    """The receiver of the messages."""

    def __init__(self, url: SecretStr, chat: Chat, settings: NotifySettings, *, ca_file: Path | None = None) -> None:
        """Make the receiver.

        Args:
            url: the address.
            chat: the form in which it takes messages.
            settings: the address of the runbook, and the secret for signatures.
            ca_file: authorities to trust in addition to the system's.
        """
        self._url = url
        self._chat = chat
        self._runbook_url = settings.runbook_url
        self._secret = load_secret(
            settings.dingtalk_secret, settings.dingtalk_secret_file, setting="notify.dingtalk_secret"
        )
        self._ca_file = ca_file

    def post(self, message: Message, *, seconds: float) -> None:
        """Send one message within a time limit.

        Raises:
            ConfigurationError: the proxy on the way or ``api.ca_file`` cannot be used.
            UnavailableError: the webhook did not accept the message, or its answer did not arrive.
        """
        from etl.observe import posting  # noqa: PLC0415 - a run without a message does not wait for aiohttp

        headers = {"Content-Type": "application/json", "Idempotency-Key": message.idempotency_key}
        link = f"{self._runbook_url}#{message.section}" if self._runbook_url else None
        body = json.dumps(self._chat.body(message, link), ensure_ascii=False).encode()
        try:
            status, answer = posting.post(
                self._signed_url(), body, headers=headers, seconds=seconds, ca_file=self._ca_file
            )
        except posting.PostError as error:
            raise _unavailable(str(error)) from None
        if refusal := self._chat.refusal(status, answer):
            raise _unavailable(refusal, quote=answer.decode(errors="replace")[:MAX_QUOTE_CHARACTERS])

    def _signed_url(self) -> URL:
        url = URL(self._url.get_secret_value())
        if self._secret is None:
            return url
        return sign(url, self._secret.get_secret_value(), milliseconds=round(time.time() * 1000))


def _unavailable(problem: str, *, quote: str = "") -> UnavailableError:
    return UnavailableError(f"The webhook {problem}.", code=Code.WEBHOOK_UNAVAILABLE, remedy=REMEDY, quote=quote)


def open_webhook(settings: NotifySettings, *, ca_file: Path | None = None) -> Webhook | None:
    """Return the webhook, or None if none is configured.

    Args:
        settings: the address and the form.
        ca_file: authorities to trust in addition to the system's.

    Raises:
        ConfigurationError: the file with the address, the secret or the template cannot be used.
    """
    url = webhook_address(settings)
    if url is None:
        return None
    chat = CHATS.get(settings.format) or _by_template(url, settings)
    return Webhook(url, chat, settings, ca_file=ca_file)


def _by_template(url: SecretStr, settings: NotifySettings) -> Chat:
    template = read_template(settings.template)
    has_markup = URL(url.get_secret_value()).host not in WITHOUT_MARKUP
    return Chat(
        lambda message, link: fill(template, values_of(message, link=link, has_markup=has_markup)), refusal_by_status
    )


def webhook_address(settings: NotifySettings) -> SecretStr | None:
    """Return the address of the webhook, or None if none is configured.

    Raises:
        ConfigurationError: the file with the address cannot be used.
    """
    return load_secret(
        settings.webhook_url, settings.webhook_url_file, setting="notify.webhook_url", check=check_webhook_url
    )

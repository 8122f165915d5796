"""Sends messages to a webhook: fills in a JSON template, and posts it once.

The address is a secret, since its owner can post to the channel: no error and no log line contains it.
"""

import asyncio
import json
from pathlib import Path
from string import Template
from typing import Any

import aiohttp
from pydantic import SecretStr
from yarl import URL

from etl.error_codes import Code
from etl.errors import ConfigurationError, UnavailableError
from etl.observe.messages import MAX_TEXT_LENGTH, Message
from etl.receivers import for_chat
from etl.resources import resource
from etl.settings.checks import check_webhook_url
from etl.settings.model import NotifySettings
from etl.settings.proxy import Proxy, choose_proxy
from etl.settings.secret_files import load_secret
from etl.settings.tls import trusting

PLACEHOLDERS = frozenset({"text", "kind", "run_id", "exit_code", "outcome", "host", "idempotency_key"})

MAX_TEMPLATE_BYTES = 1 << 16
"""64 KiB: more than any chat accepts."""

REMEDY = "Check that the webhook accepts messages; `task-audit notify` sends them again."

SUCCESS = range(200, 300)

WITHOUT_MARKUP = frozenset({"discord.com", "discordapp.com"})
"""The chats that show an entity such as ``&lt;`` letter by letter."""


class Webhook:
    """The receiver of the messages."""

    def __init__(self, url: SecretStr, template: object, *, ca_file: Path | None = None) -> None:
        self._url = url
        self._template = template
        self._ca_file = ca_file

    def post(self, message: Message, *, seconds: float) -> None:
        """Send one message within a time limit.

        Raises:
            ConfigurationError: the proxy on the way or ``api.ca_file`` cannot be used.
            UnavailableError: the webhook did not accept the message, or its answer did not arrive.
        """
        proxy = choose_proxy(self._url.get_secret_value())
        try:
            status = asyncio.run(self._post(message, seconds, proxy=proxy))
        except TimeoutError:
            raise UnavailableError(
                f"The webhook did not answer within {seconds:.1f} seconds.",
                code=Code.WEBHOOK_UNAVAILABLE,
                remedy=REMEDY,
            ) from None
        except aiohttp.ClientError as error:
            # The text of the error may contain the address.
            reason = f"{type(error).__name__}{_status(error)}" + (f" (through the proxy {proxy})" if proxy else "")
            raise UnavailableError(
                f"The webhook cannot be reached: {reason}.", code=Code.WEBHOOK_UNAVAILABLE, remedy=REMEDY
            ) from None
        if status not in SUCCESS:
            raise UnavailableError(f"The webhook answers {status}.", code=Code.WEBHOOK_UNAVAILABLE, remedy=REMEDY)

    async def _post(self, message: Message, seconds: float, *, proxy: Proxy | None) -> int:
        headers = {"Content-Type": "application/json", "Idempotency-Key": message.idempotency_key}
        has_markup = URL(self._url.get_secret_value()).host not in WITHOUT_MARKUP
        values = values_of(message, has_markup=has_markup)
        body = json.dumps(_fill(self._template, values), ensure_ascii=False).encode()
        way: dict[str, Any] = {"proxy": proxy.address, "proxy_headers": proxy.headers} if proxy else {}
        if self._ca_file:
            way["ssl"] = trusting(self._ca_file)
        url, timeout = self._url.get_secret_value(), aiohttp.ClientTimeout(total=max(seconds, 0.001))
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False, **way) as response,
        ):
            return response.status


def _status(error: aiohttp.ClientError) -> str:
    """Return the status of a proxy that does not connect to the webhook, for a text."""
    return f" {error.status}" if isinstance(error, aiohttp.ClientHttpProxyError) else ""


def open_webhook(settings: NotifySettings, *, ca_file: Path | None = None) -> Webhook | None:
    """Return the webhook, or None if none is configured.

    Args:
        settings: the address and the template.
        ca_file: authorities to trust in addition to the system's.

    Raises:
        ConfigurationError: the file with the address or the template cannot be used.
    """
    url = webhook_address(settings)
    return Webhook(url, _read_template(settings.template), ca_file=ca_file) if url else None


def webhook_address(settings: NotifySettings) -> SecretStr | None:
    """Return the address of the webhook, or None if none is configured.

    Raises:
        ConfigurationError: the file with the address cannot be used.
    """
    return load_secret(
        settings.webhook_url, settings.webhook_url_file, setting="notify.webhook_url", check=check_webhook_url
    )


def values_of(message: Message, *, has_markup: bool = True) -> dict[str, str]:
    """Return the value of each placeholder, fit for a chat.

    Args:
        message: the message.
        has_markup: whether the chat reads entities such as ``&lt;``.
    """
    # Text from outside could grow until a chat refuses the whole message.
    return {
        name: for_chat(str(getattr(message, name)), has_markup=has_markup)[:MAX_TEXT_LENGTH] for name in PLACEHOLDERS
    }


def _fill(part: object, values: dict[str, str]) -> object:
    match part:
        case str():
            return Template(part).substitute(values)
        case dict():
            return {key: _fill(value, values) for key, value in part.items()}
        case list():
            return [_fill(each, values) for each in part]
        case _:
            return part


def _read_template(file: Path | None) -> object:
    path = file or resource("configs", "notification.json")
    try:
        template: Any = json.loads(path.read_bytes()[:MAX_TEMPLATE_BYTES])
        _fill(template, dict.fromkeys(PLACEHOLDERS, ""))
    except OSError as error:
        reason = error.strerror or type(error).__name__
    except KeyError as error:
        reason = f"it names ${error.args[0]}"
    except ValueError as error:
        reason = f"{error}"
    else:
        return template
    raise ConfigurationError(
        f"notify.template: {path} cannot be used: {reason}.",
        code=Code.SETTING_WRONG,
        remedy=f"Write a JSON file whose texts may contain {', '.join(f'${name}' for name in sorted(PLACEHOLDERS))};"
        " $$ is a dollar sign.",
    )

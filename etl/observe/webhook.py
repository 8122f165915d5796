"""Sends messages to a webhook: a JSON document made from a template, posted once.

The address is a secret, since whoever has it can write to the channel behind it; it is in no error and no log.
"""

import asyncio
import json
from pathlib import Path
from string import Template
from typing import Any

import aiohttp
from pydantic import SecretStr

from etl.errors import Code, ConfigurationError, UnavailableError
from etl.observe.messages import Notice
from etl.resources import resource
from etl.settings.checks import check_webhook_url
from etl.settings.model import NotifySettings
from etl.settings.secret_files import load_secret

PLACEHOLDERS = frozenset({"text", "kind", "run_id", "exit_code", "outcome", "host", "idempotency_key"})

MAX_TEMPLATE_BYTES = 1 << 16

REMEDY = "See that it takes messages; `task-audit notify` sends what it has not taken."

SUCCESS = range(200, 300)


class Webhook:
    """Somebody who takes messages."""

    def __init__(self, url: SecretStr, template: object) -> None:
        self._url = url
        self._template = template

    def post(self, notice: Notice, *, seconds: float) -> None:
        """Send one message, for at most so many seconds.

        Raises:
            UnavailableError: it was not taken, or nobody knows.
        """
        try:
            status = asyncio.run(self._post(notice, seconds))
        except TimeoutError:
            raise UnavailableError(
                f"The webhook gives no answer within {seconds:.1f} seconds.",
                code=Code.WEBHOOK_UNAVAILABLE,
                remedy=REMEDY,
            ) from None
        except aiohttp.ClientError as error:
            # What it says may hold the address.
            raise UnavailableError(
                f"The webhook cannot be reached: {type(error).__name__}.", code=Code.WEBHOOK_UNAVAILABLE, remedy=REMEDY
            ) from None
        if status not in SUCCESS:
            raise UnavailableError(f"The webhook answers {status}.", code=Code.WEBHOOK_UNAVAILABLE, remedy=REMEDY)

    async def _post(self, notice: Notice, seconds: float) -> int:
        headers = {"Content-Type": "application/json", "Idempotency-Key": notice.idempotency_key}
        body = json.dumps(_fill(self._template, values_of(notice)), ensure_ascii=False).encode()
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=max(seconds, 0.001))) as session,
            session.post(self._url.get_secret_value(), data=body, headers=headers, allow_redirects=False) as response,
        ):
            return response.status


def open_webhook(settings: NotifySettings) -> Webhook | None:
    """Make ready to send messages; None where nobody wants any.

    Raises:
        ConfigurationError: the file with the address or the template cannot be used.
    """
    url = load_secret(
        settings.webhook_url, settings.webhook_url_file, setting="notify.webhook_url", check=check_webhook_url
    )
    return Webhook(url, _read_template(settings.template)) if url else None


def values_of(notice: Notice) -> dict[str, str]:
    """Say what each placeholder stands for; Slack would take ``<!channel>`` for a call, and ``<…|…>`` for a link."""
    return {name: _escaped(str(getattr(notice, name))) for name in PLACEHOLDERS}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\0", " ")


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
        remedy=f"It is a JSON file whose texts may hold {', '.join(f'${name}' for name in sorted(PLACEHOLDERS))};"
        " $$ is a dollar.",
    )

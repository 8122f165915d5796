"""The messages as JSON from a template, for any webhook."""

import json
from pathlib import Path
from string import Template
from typing import Any

from etl.error_codes import Code
from etl.errors import ConfigurationError
from etl.observe.messages import MAX_TEXT_LENGTH, Message
from etl.receivers import for_chat
from etl.resources import resource

PLACEHOLDERS = frozenset({"text", "kind", "run_id", "exit_code", "outcome", "host", "idempotency_key"})

MAX_TEMPLATE_BYTES = 1 << 16
"""64 KiB: more than any chat accepts."""


def values_of(message: Message, *, link: str | None = None, has_markup: bool = True) -> dict[str, str]:
    """Return the value of each placeholder, fit for a chat.

    Args:
        message: the message.
        link: the address of the section of the runbook that explains it.
        has_markup: whether the chat reads entities such as ``&lt;``.
    """
    # Text from outside could grow until a chat refuses the whole message.
    values = {
        name: for_chat(str(getattr(message, name)), has_markup=has_markup)[:MAX_TEXT_LENGTH]
        for name in PLACEHOLDERS - {"text"}
    }
    lines = [for_chat(line, has_markup=has_markup) for line in message.lines]
    runbook = f" Runbook: {link.replace('&', '&amp;') if has_markup else link}" if link else ""
    return values | {"text": "\n".join(lines)[: MAX_TEXT_LENGTH - len(runbook)] + runbook}


def fill(part: object, values: dict[str, str]) -> object:
    """Replace the placeholders in all texts of a JSON document."""
    match part:
        case str():
            return Template(part).substitute(values)
        case dict():
            return {key: fill(value, values) for key, value in part.items()}
        case list():
            return [fill(each, values) for each in part]
        case _:
            return part


def read_template(file: Path | None) -> object:
    """Read the template of the user, or the one that the package ships.

    Raises:
        ConfigurationError: the file cannot be used.
    """
    path = file or resource("configs", "notification.json")
    try:
        template: Any = json.loads(path.read_bytes()[:MAX_TEMPLATE_BYTES])
        fill(template, dict.fromkeys(PLACEHOLDERS, ""))
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

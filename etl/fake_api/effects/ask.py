"""What an effect is given, what it is, and the three ways in which most of them are made."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from aiohttp import web

from etl.fake_api.replies import json_reply, raw_json_reply
from etl.fake_api.world import StandInTask

NO_STATUS = 0
"""The status of a response that never reached the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request for a task's detail, or for a page of the list, that a fault strikes."""

    request: web.BaseRequest
    task: Any
    """What the honest answer would have said: a ``StandInTask``, or a page of the list as a dictionary."""
    now: datetime
    """The time by the stand-in's clock."""
    redirect_to: str
    """Where a redirect leads."""
    closing: asyncio.Event
    """Set when the server shuts down."""


Effect = Callable[[Ask], Awaitable[web.StreamResponse]]


def refuse(make_reply: Callable[[], web.Response]) -> Effect:
    """Answer with an error that does not depend on the task."""

    async def effect(_ask: Ask) -> web.StreamResponse:
        return make_reply()

    return effect


def say_instead(change: Callable[[Any], object]) -> Effect:
    """Answer with 200 and something else than what is honest."""

    async def effect(ask: Ask) -> web.StreamResponse:
        return json_reply(change(ask.task))

    return effect


def garble(change: Callable[[bytes], bytes]) -> Effect:
    """Answer with 200 and the honest detail's bytes, changed."""

    async def effect(ask: Ask) -> web.StreamResponse:
        return raw_json_reply(change(msgspec.json.encode(ask.task)))

    return effect


def with_fields(task: StandInTask, **fields: object) -> dict[str, object]:
    """The honest detail with some fields added or changed; ``msgspec.Raw`` puts any bytes in."""
    return {**msgspec.to_builtins(task), **fields}

"""The type of an effect, its argument, and three constructors for the usual effects."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from aiohttp import web

from etl.fake_api.responses import json_response, raw_json_response
from etl.fake_api.world import StandInTask

NO_STATUS = 0
"""The status of a response that was never sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StruckRequest:
    """A request for a task's detail or for a page of the list that a fault strikes."""

    request: web.BaseRequest
    honest: Any
    """The honest response: a ``StandInTask``, or a page of the list as a dictionary."""
    now: datetime
    """The time of the stand-in's clock."""
    redirect_to: str
    """The target of a redirect."""
    closing: asyncio.Event
    """Is set when the server shuts down."""


Effect = Callable[[StruckRequest], Awaitable[web.StreamResponse]]


def refuse(make_response: Callable[[], web.Response]) -> Effect:
    """Respond with an error that does not depend on the task."""

    async def effect(_struck: StruckRequest) -> web.StreamResponse:
        return make_response()

    return effect


def respond_with(change: Callable[[Any], object]) -> Effect:
    """Respond with 200 and a changed value."""

    async def effect(struck: StruckRequest) -> web.StreamResponse:
        return json_response(change(struck.honest))

    return effect


def corrupt(change: Callable[[bytes], bytes]) -> Effect:
    """Respond with 200 and the changed bytes of the honest detail."""

    async def effect(struck: StruckRequest) -> web.StreamResponse:
        return raw_json_response(change(msgspec.json.encode(struck.honest)))

    return effect


def with_fields(task: StandInTask, **fields: object) -> dict[str, object]:
    """Return the honest detail with some fields added or changed; ``msgspec.Raw`` inserts any bytes."""
    return {**msgspec.to_builtins(task), **fields}

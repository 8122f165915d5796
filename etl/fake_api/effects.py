"""What each fault does. To add one, write one small function and give it a name in ``EFFECTS``."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import msgspec
from aiohttp import web

from etl.fake_api.replies import JSON_HEADERS, gateway_error, json_reply, raw_json_reply, service_error, throttled
from etl.fake_api.world import StandInTask

OVERSIZED_PADDING_BYTES = 5 * 1024 * 1024

HTML_PAGE = "<!DOCTYPE html><html><head><title>Maintenance</title></head><body><h1>Back soon</h1></body></html>"

NO_STATUS = 0
"""The status of a response that never reached the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request for a task's detail that a fault strikes."""

    request: web.BaseRequest
    task: StandInTask
    """What the honest answer would have said."""
    closing: asyncio.Event
    """Set when the server shuts down."""


Effect = Callable[[Ask], Awaitable[web.StreamResponse]]


def refuse(make_reply: Callable[[], web.Response]) -> Effect:
    """Answer with an error that does not depend on the task."""

    async def effect(_ask: Ask) -> web.StreamResponse:
        return make_reply()

    return effect


def say_instead(change: Callable[[StandInTask], object]) -> Effect:
    """Answer with 200 and something else than the task's honest detail."""

    async def effect(ask: Ask) -> web.StreamResponse:
        return json_reply(change(ask.task))

    return effect


def garble(change: Callable[[bytes], bytes]) -> Effect:
    """Answer with 200 and the honest detail's bytes, changed."""

    async def effect(ask: Ask) -> web.StreamResponse:
        return raw_json_reply(change(msgspec.json.encode(ask.task)))

    return effect


def another_task(task: StandInTask) -> object:
    """The detail of the task with the next ID."""
    return msgspec.structs.replace(task, task_id=str(int(task.task_id) + 1))


def unknown_status(task: StandInTask) -> object:
    """A status that the documentation does not know."""
    return msgspec.structs.replace(task, status=7, result_code=msgspec.UNSET)


def numbers_as_text(task: StandInTask) -> object:
    """Numbers in quotes, as the documentation's tables type some of them."""
    detail = msgspec.to_builtins(task)
    return {name: str(value) if isinstance(value, int) else value for name, value in detail.items()}


def required_fields_only(task: StandInTask) -> object:
    """No more than the ID and the status."""
    return {"taskId": task.task_id, "status": task.status}


def padded(task: StandInTask) -> object:
    """The honest detail with megabytes of padding."""
    return {**msgspec.to_builtins(task), "padding": "x" * OVERSIZED_PADDING_BYTES}


def first_half(body: bytes) -> bytes:
    """The first half, which is no JSON any more."""
    return body[: len(body) // 2]


def without_commas(body: bytes) -> bytes:
    """The fields without commas between them, as some documented examples have it."""
    return body.replace(b",", b" ")


async def html_page(_ask: Ask) -> web.StreamResponse:
    """A page for people, as a proxy would send it."""
    return web.Response(text=HTML_PAGE, content_type="text/html")


async def cut_body(ask: Ask) -> web.StreamResponse:
    """Promise the whole body, send half of it and close the connection."""
    body = msgspec.json.encode(ask.task)
    response = web.StreamResponse(headers={**JSON_HEADERS, "Content-Length": str(len(body))})
    await response.prepare(ask.request)
    await response.write(first_half(body))
    abort(ask.request)
    return response


async def reset(ask: Ask) -> web.StreamResponse:
    """Reset the connection before the status line."""
    transport = ask.request.transport
    if transport is not None:
        # To linger for no time makes the kernel send a reset instead of an orderly end.
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    abort(ask.request)
    return web.Response(status=NO_STATUS)


async def stall(ask: Ask) -> web.StreamResponse:
    """Never answer; hold the connection until the client gives up or the server shuts down."""
    await ask.closing.wait()
    abort(ask.request)
    return web.Response(status=NO_STATUS)


def abort(request: web.BaseRequest) -> None:
    """Close the connection at once, whatever was promised."""
    transport = request.transport
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


NOT_FOUND = refuse(lambda: service_error(13000309, "The resource does not exist", status=404))

EFFECTS: Mapping[str, Effect] = {
    "not_found": NOT_FOUND,
    "http_400": refuse(lambda: service_error(13000102, "Parameter check failed")),
    "http_401": refuse(lambda: gateway_error("APIGW.0301", "Incorrect IAM authentication information", status=401)),
    "http_403": refuse(lambda: gateway_error("APIGW.0304", "The app is not authorized for the API", status=403)),
    "http_404": NOT_FOUND,
    "http_405": refuse(lambda: gateway_error("APIGW.0501", "The app quota has been used up", status=405)),
    "http_429": refuse(lambda: throttled(200)),
    "http_500": refuse(lambda: gateway_error("APIGW.0601", "Internal server error", status=500)),
    "http_502": refuse(lambda: gateway_error("APIGW.0201", "Backend unavailable", status=502)),
    "http_503": refuse(lambda: gateway_error("APIGW.0613", "IAM unavailable", status=503)),
    "http_504": refuse(lambda: gateway_error("APIGW.0201", "Backend timeout", status=504)),
    "business_error_200": refuse(lambda: service_error(13000201, "Inner server call failed", status=200)),
    "gateway_error_200": refuse(lambda: gateway_error("APIGW.0601", "Internal server error", status=200)),
    "html_200": html_page,
    "empty_body": garble(lambda _body: b""),
    "truncated_json": garble(first_half),
    "invalid_json": garble(without_commas),
    "cut_body": cut_body,
    "reset": reset,
    "stall": stall,
    "oversized": say_instead(padded),
    "wrong_task": say_instead(another_task),
    "unknown_status": say_instead(unknown_status),
    "text_numbers": say_instead(numbers_as_text),
    "missing_fields": say_instead(required_fields_only),
}
"""Every fault that can be ordered, by the name it is ordered by."""

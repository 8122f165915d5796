"""Faults of the connection: answers that are cut, that never end, that never begin, or that trickle.

Where aiohttp would put things right, the bytes are written to the transport as they are to be seen.
"""

import asyncio
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import cast

import msgspec
from aiohttp import web

from etl.fake_api.effects.ask import NO_STATUS, Ask, Effect
from etl.fake_api.effects.bodies import first_half
from etl.fake_api.replies import JSON_HEADERS

HEADER_LINES = 100_000

TRICKLE_SECONDS = 1.0
"""The time from one byte of a trickle to the next."""

ENDLESS_CHUNK = b" " * 65_536

RAW_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=UTF-8\r\n"


async def cut_body(ask: Ask) -> web.StreamResponse:
    """Promise the whole body, send half of it and close the connection."""
    body = msgspec.json.encode(ask.task)
    response = web.StreamResponse(headers={**JSON_HEADERS, "Content-Length": str(len(body))})
    await response.prepare(ask.request)
    await response.write(first_half(body))
    abort(ask.request)
    return response


async def cut_chunked(ask: Ask) -> web.StreamResponse:
    """Send half of the body as a chunk and close the connection before the last chunk."""
    response = await start_chunked(ask)
    await response.write(first_half(msgspec.json.encode(ask.task)))
    abort(ask.request)
    return response


async def cut_without_length(ask: Ask) -> web.StreamResponse:
    """Promise no length, send half of the body and close the connection, which looks like the end of an answer."""
    return say_raw(ask, RAW_HEAD + b"Connection: close\r\n\r\n" + first_half(msgspec.json.encode(ask.task)))


async def many_headers(ask: Ask) -> web.StreamResponse:
    """Send the honest detail below more header lines than anybody should read."""
    body = msgspec.json.encode(ask.task)
    return say_raw(ask, RAW_HEAD + header_lines() + b"Content-Length: %d\r\n\r\n" % len(body) + body)


@cache
def header_lines() -> bytes:
    """Two megabytes of headers; made once."""
    return b"".join(b"X-Padding-%d: x\r\n" % number for number in range(HEADER_LINES))


async def endless_body(ask: Ask) -> web.StreamResponse:
    """Send the honest detail and then white space for ever."""
    response = await start_chunked(ask)
    # Who hangs up ends it: either the write fails or the whole request is cancelled.
    with suppress(ConnectionError):
        await response.write(msgspec.json.encode(ask.task))
        while not ask.closing.is_set():
            await response.write(ENDLESS_CHUNK)
            await asyncio.sleep(0)
    abort(ask.request)
    return response


async def slow_body(ask: Ask) -> web.StreamResponse:
    """Send the honest detail byte by byte, one a second."""
    body = msgspec.json.encode(ask.task)
    response = web.StreamResponse(headers={**JSON_HEADERS, "Content-Length": str(len(body))})
    await response.prepare(ask.request)
    with suppress(ConnectionError):
        for position in range(len(body)):
            await response.write(body[position : position + 1])
            if await is_closing_after_a_pause(ask):
                abort(ask.request)
                break
    return response


async def slow_headers(ask: Ask) -> web.StreamResponse:
    """Send the status line at once and then a header that never ends, one byte a second."""
    transport = transport_of(ask.request)
    transport.write(RAW_HEAD + b"X-Padding: ")
    while not await is_closing_after_a_pause(ask):
        transport.write(b"x")
    abort(ask.request)
    return web.Response()


async def reset(ask: Ask) -> web.StreamResponse:
    """Reset the connection before the status line."""
    # To linger for no time makes the kernel send a reset instead of an orderly end.
    linger = struct.pack("ii", 1, 0)
    transport_of(ask.request).get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    abort(ask.request)
    return web.Response(status=NO_STATUS)


async def close_kept_alive(ask: Ask) -> web.StreamResponse:
    """Close the connection in good order without an answer, as an idle time-out that races with a request does."""
    transport_of(ask.request).close()
    return web.Response(status=NO_STATUS)


async def stall(ask: Ask) -> web.StreamResponse:
    """Never answer; hold the connection until the client gives up or the server shuts down."""
    await ask.closing.wait()
    abort(ask.request)
    return web.Response(status=NO_STATUS)


async def start_chunked(ask: Ask) -> web.StreamResponse:
    """Send the head of an answer whose body comes in chunks."""
    response = web.StreamResponse(headers=JSON_HEADERS)
    response.enable_chunked_encoding()
    await response.prepare(ask.request)
    return response


def say_raw(ask: Ask, answer: bytes) -> web.StreamResponse:
    """Write a whole answer as it is and close the connection behind it."""
    transport = transport_of(ask.request)
    transport.write(answer)
    transport.close()
    return web.Response()


async def is_closing_after_a_pause(ask: Ask) -> bool:
    """Wait for the next byte of a trickle, and say whether the server shuts down instead."""
    with suppress(TimeoutError):
        await asyncio.wait_for(ask.closing.wait(), TRICKLE_SECONDS)
    return ask.closing.is_set()


def abort(request: web.BaseRequest) -> None:
    """Close the connection at once, whatever was promised."""
    if request.transport is not None:
        transport_of(request).abort()


def transport_of(request: web.BaseRequest) -> asyncio.WriteTransport:
    """The bare connection, which is there until the client hangs up and the answer is cancelled."""
    return cast(asyncio.WriteTransport, request.transport)


CONNECTIONS: Mapping[str, Effect] = {
    "cut_body": cut_body,
    "cut_chunked": cut_chunked,
    "cut_without_length": cut_without_length,
    "many_headers": many_headers,
    "endless_body": endless_body,
    "slow_body": slow_body,
    "slow_headers": slow_headers,
    "reset": reset,
    "close_kept_alive": close_kept_alive,
    "stall": stall,
}

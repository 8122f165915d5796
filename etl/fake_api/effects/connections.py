"""Faults of the connection: responses that are cut, never end, never begin, or arrive one byte at a time.

If aiohttp would correct a fault, the effect writes its bytes to the transport instead.
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

from etl.fake_api.effects.bodies import first_half
from etl.fake_api.effects.effect import NO_STATUS, Effect, StruckRequest
from etl.fake_api.responses import JSON_HEADERS

HEADER_LINES = 100_000

TRICKLE_SECONDS = 1.0
"""Seconds from one byte of a slow response to the next."""

ENDLESS_CHUNK = b" " * 65_536

RAW_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=UTF-8\r\n"


async def cut_body(struck: StruckRequest) -> web.StreamResponse:
    """Announce the whole body, send half of it and close the connection."""
    body = msgspec.json.encode(struck.honest)
    response = web.StreamResponse(headers={**JSON_HEADERS, "Content-Length": str(len(body))})
    await response.prepare(struck.request)
    await response.write(first_half(body))
    abort(struck.request)
    return response


async def cut_chunked(struck: StruckRequest) -> web.StreamResponse:
    """Send half of the body as a chunk and close the connection before the last chunk."""
    response = await start_chunked(struck)
    await response.write(first_half(msgspec.json.encode(struck.honest)))
    abort(struck.request)
    return response


async def cut_without_length(struck: StruckRequest) -> web.StreamResponse:
    """Announce no length, send half of the body and close the connection, which looks like a regular end."""
    return send_raw(struck, RAW_HEAD + b"Connection: close\r\n\r\n" + first_half(msgspec.json.encode(struck.honest)))


async def many_headers(struck: StruckRequest) -> web.StreamResponse:
    """Send the honest detail with more header lines than a client should read."""
    body = msgspec.json.encode(struck.honest)
    return send_raw(struck, RAW_HEAD + header_lines() + b"Content-Length: %d\r\n\r\n" % len(body) + body)


@cache
def header_lines() -> bytes:
    """Return two megabytes of headers."""
    return b"".join(b"X-Padding-%d: x\r\n" % number for number in range(HEADER_LINES))


async def endless_body(struck: StruckRequest) -> web.StreamResponse:
    """Send the honest detail and then white space without end."""
    response = await start_chunked(struck)
    # A client that disconnects ends it: either the write fails or the request is cancelled.
    with suppress(ConnectionError):
        await response.write(msgspec.json.encode(struck.honest))
        while not struck.closing.is_set():
            await response.write(ENDLESS_CHUNK)
            await asyncio.sleep(0)
    abort(struck.request)
    return response


async def slow_body(struck: StruckRequest) -> web.StreamResponse:
    """Send the honest detail at one byte per second."""
    body = msgspec.json.encode(struck.honest)
    response = web.StreamResponse(headers={**JSON_HEADERS, "Content-Length": str(len(body))})
    await response.prepare(struck.request)
    with suppress(ConnectionError):
        for position in range(len(body)):
            await response.write(body[position : position + 1])
            if await is_closing_after_a_pause(struck):
                abort(struck.request)
                break
    return response


async def slow_headers(struck: StruckRequest) -> web.StreamResponse:
    """Send the status line and then a header without end, at one byte per second."""
    transport = transport_of(struck.request)
    transport.write(RAW_HEAD + b"X-Padding: ")
    while not await is_closing_after_a_pause(struck):
        transport.write(b"x")
    abort(struck.request)
    return web.Response()


async def reset(struck: StruckRequest) -> web.StreamResponse:
    """Reset the connection before the status line."""
    # With a linger time of zero, the kernel sends a reset instead of an orderly end.
    linger = struct.pack("ii", 1, 0)
    transport_of(struck.request).get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    abort(struck.request)
    return web.Response(status=NO_STATUS)


async def close_kept_alive(struck: StruckRequest) -> web.StreamResponse:
    """Close the connection regularly without a response, as an idle time-out that races with a request does."""
    transport_of(struck.request).close()
    return web.Response(status=NO_STATUS)


async def stall(struck: StruckRequest) -> web.StreamResponse:
    """Send no response, and keep the connection until the client gives up or the server shuts down."""
    await struck.closing.wait()
    abort(struck.request)
    return web.Response(status=NO_STATUS)


async def start_chunked(struck: StruckRequest) -> web.StreamResponse:
    """Send the head of a response whose body comes in chunks."""
    response = web.StreamResponse(headers=JSON_HEADERS)
    response.enable_chunked_encoding()
    await response.prepare(struck.request)
    return response


def send_raw(struck: StruckRequest, content: bytes) -> web.StreamResponse:
    """Write the bytes of a whole response and close the connection."""
    transport = transport_of(struck.request)
    transport.write(content)
    transport.close()
    return web.Response()


async def is_closing_after_a_pause(struck: StruckRequest) -> bool:
    """Wait until the next byte is due; returns whether the server shuts down instead."""
    with suppress(TimeoutError):
        await asyncio.wait_for(struck.closing.wait(), TRICKLE_SECONDS)
    return struck.closing.is_set()


def abort(request: web.BaseRequest) -> None:
    """Close the connection at once."""
    if request.transport is not None:
        transport_of(request).abort()


def transport_of(request: web.BaseRequest) -> asyncio.WriteTransport:
    """Return the transport, which exists until the client disconnects and the response is cancelled."""
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

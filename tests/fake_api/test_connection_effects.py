"""The effects of faults below HTTP: each client sees the error that the fault stands for."""

import asyncio
import gzip
import zlib

import aiohttp
import msgspec
import pytest

from etl.fake_api import FakeApi
from etl.fake_api.effects.bodies import (
    bomb,
)
from etl.fake_api.effects.connections import HEADER_LINES
from tests.fake_api.faulty import BROKEN_CONNECTIONS, TASK_ID, with_fault

STALLED = ("endless_body", "slow_body", "slow_headers", "stall")
"""Responses that last until one side disconnects."""


def test_gzip_is_sent_to_a_client_that_does_not_accept_it(bare_response, honest):
    head, body = asyncio.run(_read_bare(bare_response, "gzip", honest_length=True))
    assert b"\r\nContent-Encoding: gzip\r\n" in head
    assert msgspec.json.decode(gzip.decompress(body)) == honest.json


def test_a_gzip_bomb_is_small_and_expands_to_64_mebibytes(bare_response):
    head, body = asyncio.run(_read_bare(bare_response, "gzip_bomb", honest_length=True))
    assert b"\r\nContent-Encoding: gzip\r\n" in head
    assert body == bomb()
    assert len(body) < 70_000
    expander, expanded_bytes = zlib.decompressobj(wbits=31), 0
    while not expander.eof:
        expanded_bytes += len(expander.decompress(expander.unconsumed_tail or body, 1_048_576))
    assert expanded_bytes == 64 * 1_048_576 + len("{}")


def test_a_cut_without_a_length_looks_like_a_regular_end(bare_response, honest):
    head, body = asyncio.run(_read_bare(bare_response, "cut_without_length"))
    assert b"Connection: close" in head
    assert b"Content-Length" not in head
    assert body == honest.body[: len(honest.body) // 2]


def test_a_cut_chunked_body_has_no_last_chunk(bare_response):
    head, body = asyncio.run(_read_bare(bare_response, "cut_chunked"))
    assert b"Transfer-Encoding: chunked" in head
    assert body
    assert b"\r\n0\r\n" not in body


def test_many_headers_precede_the_honest_detail(bare_response, honest):
    head, body = asyncio.run(_read_bare(bare_response, "many_headers"))
    assert head.count(b"\r\nX-Padding-") == HEADER_LINES
    assert body == honest.body


@pytest.mark.parametrize(("name", "expected"), [("close_kept_alive", b""), ("reset", ConnectionResetError)])
def test_some_connections_end_without_a_response(bare_response, name, expected):
    async def scenario():
        async with FakeApi(with_fault(name)) as api, bare_response(api.base_url, TASK_ID) as stream:
            try:
                return await stream.read(), api.stats.by_status
            except ConnectionError as error:
                return type(error), api.stats.by_status

    assert asyncio.run(scenario()) == (expected, {0: 1})


def test_an_endless_body_begins_with_the_honest_detail(bare_response, honest):
    async def scenario():
        async with (
            FakeApi(with_fault("endless_body")) as api,
            bare_response(api.base_url, TASK_ID) as stream,
            asyncio.timeout(20),
        ):
            head = await stream.readuntil(b"\r\n\r\n")
            return head, await stream.readexactly(20_000_000)

    head, body = asyncio.run(scenario())
    assert b"Transfer-Encoding: chunked" in head
    assert honest.body in body[:1000]
    assert b"\r\n0\r\n" not in body


@pytest.mark.parametrize(
    ("name", "trickled"), [("slow_headers", b"X-Padding: xxxxx"), ("slow_body", b'\r\n\r\n{"taskId"')]
)
def test_slow_responses_arrive_byte_by_byte(bare_response, monkeypatch, name, trickled):
    monkeypatch.setattr("etl.fake_api.effects.connections.TRICKLE_SECONDS", 0.001)

    async def scenario():
        async with (
            FakeApi(with_fault(name)) as api,
            bare_response(api.base_url, TASK_ID) as stream,
            asyncio.timeout(20),
        ):
            return await stream.readuntil(trickled)

    assert asyncio.run(scenario()).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_slow_body_ends_for_a_patient_client(responses_of, honest, monkeypatch):
    monkeypatch.setattr("etl.fake_api.effects.connections.TRICKLE_SECONDS", 0.0)
    (response,), _ = responses_of(with_fault("slow_body"), TASK_ID)
    assert response.json == honest.json


async def _read_bare(bare_response, name, *, honest_length=False):
    """Read a response's head and body, up to the end of the connection or to the length in the head."""
    async with (
        FakeApi(with_fault(name)) as api,
        bare_response(api.base_url, TASK_ID) as stream,
        asyncio.timeout(20),
    ):
        if not honest_length:
            head, _, body = (await stream.read()).partition(b"\r\n\r\n")
            return head, body
        head = await stream.readuntil(b"\r\n\r\n")
        length = head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]
        return head, await stream.readexactly(int(length))


@pytest.mark.parametrize(("name", "error_type"), BROKEN_CONNECTIONS.items(), ids=BROKEN_CONNECTIONS)
def test_a_client_sees_each_broken_connection_as_its_error(responses_of, name, error_type):
    with pytest.raises(error_type):
        responses_of(with_fault(name), TASK_ID, timeout_seconds=0.2)


@pytest.mark.parametrize("name", STALLED)
def test_stalled_requests_end_with_the_server(ask, name):
    async def scenario():
        async with FakeApi(with_fault(name)) as api:
            stalled = asyncio.create_task(ask(api.base_url, TASK_ID))
            while not api.stats.faults[name]:  # noqa: ASYNC110  the stand-in has no event for it
                await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await stalled

    # aiohttp repeats the request by itself after a disconnect, and then finds the port closed.
    with pytest.raises((aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)):
        asyncio.run(scenario())


@pytest.mark.parametrize("name", STALLED)
def test_a_client_that_gives_up_ends_its_stalled_request(ask, name):
    async def scenario():
        async with FakeApi(with_fault(name)) as api:
            with pytest.raises(TimeoutError):
                await ask(api.base_url, TASK_ID, timeout_seconds=0.1)
            async with asyncio.timeout(5):
                while not api.stats.by_status.total():  # noqa: ASYNC110  the stand-in has no event for it
                    await asyncio.sleep(0)

    asyncio.run(scenario())

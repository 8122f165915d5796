import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import aiohttp
import msgspec
import pytest
from multidict import CIMultiDictProxy

from etl.fake_api import FakeApi
from etl.fake_api.behaviour import Behaviour
from etl.koodrive.signature import format_x_date
from tests.fake_api.faulty import FAILED_SEED, TASK_ID

TASK_PATH = "/koodrive/ose/v1/task/"


@dataclass(frozen=True)
class Response:
    status: int
    content_type: str
    body: bytes
    headers: CIMultiDictProxy[str]

    @property
    def json(self):
        return msgspec.json.decode(self.body)


def usual_headers():
    return {
        "Authorization": "Bearer of good news",
        "X-User-Id": "1505084218764547200",
        "X-Date": format_x_date(datetime.now(UTC)),
        "X-Traceid": "t" * 58,
    }


async def ask(base_url, name, *, headers=(), method="GET", body=None, timeout_seconds=10):
    """Send one request and follow no redirect; a header that is None is left out."""
    sent = {header: value for header, value in (usual_headers() | dict(headers)).items() if value is not None}
    url = base_url + (name if name.startswith("/") else TASK_PATH + name)
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_seconds)) as session,
        session.request(method, url, headers=sent, data=body, allow_redirects=False) as response,
    ):
        return Response(response.status, response.content_type, await response.read(), response.headers)


@asynccontextmanager
async def bare_response(base_url, name):
    """Send a request over a bare connection and return the unparsed response as a stream."""
    address = urlsplit(base_url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    lines = [f"GET {TASK_PATH}{name} HTTP/1.1", "Host: stand-in"]
    lines += [f"{header}: {value}" for header, value in usual_headers().items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    try:
        yield reader
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.fixture(name="ask")
def _ask():
    return ask


@pytest.fixture(name="bare_response")
def _bare_response():
    return bare_response


@pytest.fixture
def responses_of():
    """Start a stand-in, request each name in turn, and return the responses with the stand-in."""

    def request_each(behaviour, *names, **request):
        async def scenario():
            async with FakeApi(behaviour) as api:
                return [await ask(api.base_url, name, **request) for name in names], api

        return asyncio.run(scenario())

    return request_each


@pytest.fixture
def honest(responses_of):
    (response,), _ = responses_of(Behaviour(seed=FAILED_SEED), TASK_ID)
    return response

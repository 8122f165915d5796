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
from etl.koodrive.signature import format_x_date

TASK_PATH = "/koodrive/ose/v1/task/"


@dataclass(frozen=True)
class Answer:
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
    """Ask once and follow no redirect, as a well-behaved client would; a header given as None is left out."""
    sent = {header: value for header, value in (usual_headers() | dict(headers)).items() if value is not None}
    url = base_url + (name if name.startswith("/") else TASK_PATH + name)
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_seconds)) as session,
        session.request(method, url, headers=sent, data=body, allow_redirects=False) as response,
    ):
        return Answer(response.status, response.content_type, await response.read(), response.headers)


@asynccontextmanager
async def bare_answer(base_url, name):
    """Ask over a bare connection, where no client interprets what comes; the answer is a stream."""
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


@pytest.fixture(name="bare_answer")
def _bare_answer():
    return bare_answer


@pytest.fixture
def told():
    """Start a stand-in, ask it for each name in turn, and return the answers with the stand-in."""

    def tell(behaviour, *names, **request):
        async def scenario():
            async with FakeApi(behaviour) as api:
                return [await ask(api.base_url, name, **request) for name in names], api

        return asyncio.run(scenario())

    return tell

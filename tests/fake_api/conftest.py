import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
import msgspec
import pytest

from etl.fake_api import FakeApi
from etl.koodrive.signature import format_x_date

TASK_PATH = "/koodrive/ose/v1/task/"


@dataclass(frozen=True)
class Answer:
    status: int
    content_type: str
    body: bytes

    @property
    def json(self):
        return msgspec.json.decode(self.body)


async def ask(base_url, name, *, headers=(), method="GET", body=None, timeout_seconds=10):
    """Ask once, as a well-behaved client would; a header given as None is left out."""
    usual = {
        "Authorization": "Bearer of good news",
        "X-User-Id": "1505084218764547200",
        "X-Date": format_x_date(datetime.now(UTC)),
        "X-Traceid": "t" * 58,
    }
    sent = {header: value for header, value in (usual | dict(headers)).items() if value is not None}
    url = base_url + (name if name.startswith("/") else TASK_PATH + name)
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_seconds)) as session,
        session.request(method, url, headers=sent, data=body) as response,
    ):
        return Answer(response.status, response.content_type, await response.read())


@pytest.fixture(name="ask")
def _ask():
    return ask


@pytest.fixture
def told():
    """Start a stand-in, ask it for each name in turn, and return the answers with the stand-in."""

    def tell(behaviour, *names, **request):
        async def scenario():
            async with FakeApi(behaviour) as api:
                return [await ask(api.base_url, name, **request) for name in names], api

        return asyncio.run(scenario())

    return tell

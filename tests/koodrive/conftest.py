import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from etl.fake_api import FakeApi
from etl.koodrive.client import open_koodrive
from etl.settings.model import ApiSettings
from etl.tasks import PendingTask
from tests.koodrive.raw_http import RUN_ID, TASK_ID

PIECE_BYTES = 1 << 16


@pytest.fixture
def api_settings():
    """Return a function that makes settings for an API at a base URL."""

    def make(base_url, **changed):
        usual = {"user_id": "1505084218764547200", "timeout_seconds": 10, "concurrency": 4}
        if changed.get("auth") != "app":
            usual["token"] = SecretStr("Bearer t0ken-of-trust")
        return ApiSettings(base_url=base_url, **(usual | changed))

    return make


@pytest.fixture
def asked(api_settings):
    """Return a function that sends a request about each task in turn, and returns the outcomes."""

    async def ask(base_url, *task_ids, clock=lambda: datetime.now(UTC), **settings):
        async with open_koodrive(api_settings(base_url, **settings), run_id=RUN_ID, clock=clock) as koodrive:
            return [await koodrive.ask(PendingTask(task_id=task_id)) for task_id in task_ids]

    return ask


@pytest.fixture
def scripted():
    """Serve raw bytes: each request gets the next response, and the last one repeats; None ends the connection.

    ``requests`` holds the heads of the requests; ``connections`` and ``taken_bytes`` are counts.
    """

    class Scripted:
        def __init__(self, responses):
            self.responses = list(responses)
            self.requests = []
            self.connections = self.taken_bytes = 0
            self.base_url = ""

        async def serve(self, reader, writer):
            self.connections += 1
            try:
                while head := await reader.readuntil(b"\r\n\r\n"):
                    self.requests.append(head.decode())
                    response = self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]
                    if response is None:
                        break
                    for start in range(0, len(response), PIECE_BYTES):
                        writer.write(response[start : start + PIECE_BYTES])
                        await writer.drain()
                        self.taken_bytes += PIECE_BYTES
                    if b"connection: close" in response.lower():
                        break
            except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
                # The client has disconnected, or the test is over.
                pass
            finally:
                writer.close()

    @asynccontextmanager
    async def start(*responses):
        script = Scripted(responses)
        server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
        script.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield script
        finally:
            server.close()

    return start


@pytest.fixture
def asked_scripted(asked, scripted):
    """Send ``times`` requests about one task, and return the outcomes with the server."""

    def ask(*replies, times=1, prefix="", **settings):
        async def scenario():
            async with scripted(*replies) as server:
                return await asked(server.base_url + prefix, *[TASK_ID] * times, **settings), server

        return asyncio.run(scenario())

    return ask


@pytest.fixture
def asked_stand_in(asked):
    """Send requests about tasks to a stand-in, and return the outcomes with the stand-in."""

    def ask(behaviour, *task_ids, **settings):
        async def scenario():
            async with FakeApi(behaviour) as api:
                return await asked(api.base_url, *(task_ids or (TASK_ID,)), **settings), api

        return asyncio.run(scenario())

    return ask

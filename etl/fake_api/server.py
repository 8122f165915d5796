"""Runs the stand-in on a loopback port: on the current event loop, or on a thread with a loop of its own."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from aiohttp import web

from etl.fake_api.behaviour import Behaviour
from etl.fake_api.handler import Handler
from etl.fake_api.stats import Stats
from etl.fake_api.world import World

SHUTDOWN_SECONDS = 0.2
"""Seconds that requests without a response may delay the shutdown."""


class FakeApi:
    """A stand-in KooDrive API that listens while its ``async with`` block runs."""

    def __init__(
        self,
        behaviour: Behaviour | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._handler = Handler(behaviour or Behaviour(), clock=clock)
        self._host = host
        self._port = port

    @property
    def stats(self) -> Stats:
        """The counts of the requests so far."""
        return self._handler.stats

    @property
    def world(self) -> World:
        """The tasks; ``world.overrides`` may be changed while the stand-in runs."""
        return self._handler.world

    @property
    def base_url(self) -> str:
        """The address that it listens on, without a slash at the end."""
        return f"http://{self._host}:{self._port}"

    async def __aenter__(self) -> Self:
        # With cancellation, a client that disconnects ends its stalled request.
        server = web.Server(self._handler.handle, access_log=None, handler_cancellation=True)
        self._runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN_SECONDS)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError:
            await self._runner.cleanup()
            raise
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._handler.closing.set()
        await self._runner.cleanup()


@contextmanager
def running_in_thread(
    behaviour: Behaviour | None = None, *, clock: Callable[[], float] = time.monotonic
) -> Iterator[FakeApi]:
    """Run a stand-in on a thread while the block runs, for callers without an event loop."""
    started: Future[tuple[FakeApi, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        stop = asyncio.Event()
        async with FakeApi(behaviour, clock=clock) as api:
            started.set_result((api, asyncio.get_running_loop(), stop))
            await stop.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=run, name="fake-api", daemon=True)
    thread.start()
    api, loop, stop = started.result()
    try:
        yield api
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()

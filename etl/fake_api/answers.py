"""From a request to its answer: count it, let it in or not, then tell the truth or show the fault that was ordered."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from urllib.parse import parse_qs

import msgspec
from aiohttp import web

from etl.fake_api.behaviour import Behaviour
from etl.fake_api.effects import EFFECTS, NO_STATUS, Ask
from etl.fake_api.faults import striking_fault
from etl.fake_api.gate import REPLIES, RateWindow, find_rejection
from etl.fake_api.listing import list_page
from etl.fake_api.replies import gateway_error, json_reply, service_error, throttled
from etl.fake_api.stats import Stats
from etl.fake_api.world import Override, World, draw
from etl.tasks import is_valid_task_id

TASK_PATH = "/koodrive/ose/v1/task/"

OWN_PAGES = "/stand-in/"


class Answers:
    """Everything the stand-in says; one method is the server's only handler."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.world = World(seed=behaviour.seed, weights=behaviour.weights, progress=behaviour.progress)
        self.stats = Stats()
        self.closing = asyncio.Event()
        """Set it to end the stalled requests."""
        self._rate_window = RateWindow(behaviour.rate) if behaviour.rate is not None else None
        # Told apart from stats.asks, because these survive a reset and leave out what the gate refused.
        self._admitted_asks: Counter[str] = Counter()
        self._own_pages: dict[tuple[str, str], Callable[[web.BaseRequest], Awaitable[web.Response]]] = {
            ("GET", "/stand-in/stats"): self._show_stats,
            ("GET", "/stand-in/stats/tasks"): self._show_asks,
            ("POST", "/stand-in/stats/reset"): self._reset_stats,
            ("POST", "/stand-in/world"): self._override_world,
        }

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer any request."""
        raw_path = request.raw_path
        if raw_path.startswith(OWN_PAGES):
            return await self._own_page(request)
        self.stats.arrivals.append(time.monotonic())
        path, _, query = raw_path.partition("?")
        name = path.removeprefix(TASK_PATH)
        try:
            response = self._refusal(request, name) or await self._resource(request, name, query)
        except asyncio.CancelledError:
            self.stats.by_status[NO_STATUS] += 1
            raise
        self.stats.by_status[response.status] += 1
        return response

    def _refusal(self, request: web.BaseRequest, name: str) -> web.Response | None:
        headers = request.headers
        if (trace_id := headers.get("X-Traceid")) is not None:
            self.stats.trace_ids.add(trace_id)
        if is_valid_task_id(name):
            self.stats.asks[name] += 1
        if self._rate_window is not None and not self._rate_window.admits(self.stats.arrivals[-1]):
            return throttled(self._rate_window.limit)
        now = datetime.now(UTC)
        rejection = find_rejection(request.method, request.raw_path, headers, behaviour=self.behaviour, now=now)
        if rejection is None:
            return None
        self.stats.rejected[rejection] += 1
        return REPLIES[rejection]()

    async def _resource(self, request: web.BaseRequest, name: str, query: str) -> web.StreamResponse:
        if request.method != "GET" or "/" in name:
            return gateway_error("APIGW.0101", "The API does not exist or has not been published", status=404)
        if name == "list":
            return self._list(query)
        if not is_valid_task_id(name):
            return service_error(13000102, "Parameter check failed: task_id")
        return await self._detail(request, name)

    async def _detail(self, request: web.BaseRequest, task_id: str) -> web.StreamResponse:
        self._admitted_asks[task_id] += 1
        ask = self._admitted_asks[task_id]
        behaviour = self.behaviour
        if behaviour.latency_seconds or behaviour.latency_jitter_seconds:
            await asyncio.sleep(self._latency_seconds(task_id, ask))
        task = self.world.task(task_id, ask)
        fault = striking_fault(behaviour.faults, task_id, ask, seed=behaviour.seed) if behaviour.faults else None
        if fault is None:
            return json_reply(task)
        self.stats.faults[fault.name] += 1
        return await EFFECTS[fault.name](Ask(request=request, task=task, closing=self.closing))

    def _latency_seconds(self, task_id: str, ask: int) -> float:
        jitter = self.behaviour.latency_jitter_seconds * draw(self.behaviour.seed, "latency", task_id, ask)
        return self.behaviour.latency_seconds + jitter

    def _list(self, query: str) -> web.Response:
        known_task_ids = sorted({*self.behaviour.task_ids, *self.world.overrides}, key=int)
        try:
            return json_reply(list_page(self.world, known_task_ids, parse_qs(query)))
        except ValueError:
            return service_error(13000102, "Parameter check failed")

    async def _own_page(self, request: web.BaseRequest) -> web.Response:
        page = self._own_pages.get((request.method, request.raw_path))
        if page is None:
            return json_reply({"error": "There is no such page."}, status=404)
        return await page(request)

    async def _show_stats(self, _request: web.BaseRequest) -> web.Response:
        return json_reply(self.stats.summary())

    async def _show_asks(self, _request: web.BaseRequest) -> web.Response:
        return json_reply(self.stats.asks)

    async def _reset_stats(self, _request: web.BaseRequest) -> web.Response:
        self.stats.reset()
        return json_reply(self.stats.summary())

    async def _override_world(self, request: web.BaseRequest) -> web.Response:
        try:
            overrides = msgspec.json.decode(await request.read(), type=dict[str, Override])
        except msgspec.MsgspecError as error:
            return json_reply({"error": str(error)}, status=400)
        self.world.overrides.update(overrides)
        return json_reply({"overrides": len(self.world.overrides)})

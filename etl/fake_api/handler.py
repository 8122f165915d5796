"""Handles a request: counts it, admits or rejects it, and responds honestly or with the configured fault."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from urllib.parse import parse_qs

import msgspec
from aiohttp import web

from etl.fake_api.admission import REJECTION_RESPONSES, RateWindow, Rejection, find_rejection
from etl.fake_api.behaviour import Behaviour
from etl.fake_api.effects import NO_STATUS, PAGES, StruckRequest, effect_of, foreign_page, strikes_pages
from etl.fake_api.faults import LIST, Fault, striking_fault
from etl.fake_api.listing import list_page
from etl.fake_api.outages import Outages
from etl.fake_api.responses import gateway_error, json_response, service_error, throttled
from etl.fake_api.sessions import Sessions
from etl.fake_api.stats import Stats
from etl.fake_api.world import Override, World, draw
from etl.tasks import is_valid_task_id

TASK_PATH = "/koodrive/ose/v1/task/"

OWN_PAGES = "/stand-in/"


class Handler:
    """Handles every request to the stand-in.

    The benchmark measures against this server, so a request pays only for the behaviour that is configured.
    """

    def __init__(self, behaviour: Behaviour, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.behaviour = behaviour
        self.world = World(seed=behaviour.seed, weights=behaviour.weights, progress=behaviour.progress)
        self.stats = Stats()
        self.closing = asyncio.Event()
        """Ends the stalled requests when set."""
        self.handle = self._respond_with_date if behaviour.clock_offset_seconds else self._respond
        self._clock = clock
        self._now = wall_clock(behaviour.clock_offset_seconds)
        self._rate_window = RateWindow(behaviour.rate) if behaviour.rate is not None else None
        self._outages = Outages(behaviour.outages, behaviour.flap) if behaviour.outages or behaviour.flap else None
        self._sessions = Sessions(behaviour, self.stats) if behaviour.has_sessions else None
        self._detail_faults = tuple(fault for fault in behaviour.faults if fault.name not in PAGES)
        self._page_faults = tuple(fault for fault in behaviour.faults if strikes_pages(fault.name))
        # Unlike stats.asks, these survive a reset and leave out rejected requests.
        self._admitted_asks: Counter[str] = Counter()
        self._own_pages: dict[tuple[str, str], Callable[[web.BaseRequest], Awaitable[web.Response]]] = {
            ("GET", "/stand-in/stats"): self._show_stats,
            ("GET", "/stand-in/stats/tasks"): self._show_asks,
            ("POST", "/stand-in/stats/reset"): self._reset_stats,
            ("POST", "/stand-in/world"): self._override_world,
        }

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        raw_path = request.raw_path
        if raw_path.startswith(OWN_PAGES):
            return await self._own_page(request)
        self.stats.arrivals.append(self._clock())
        path, _, query = raw_path.partition("?")
        name = path.removeprefix(TASK_PATH)
        try:
            response = self._rejection(request, name) or await self._resource(request, name, query=query)
        except asyncio.CancelledError:
            self.stats.by_status[NO_STATUS] += 1
            raise
        self.stats.by_status[response.status] += 1
        return response

    async def _respond_with_date(self, request: web.BaseRequest) -> web.StreamResponse:
        """Respond with the time of the stand-in's clock in the Date header."""
        response = await self._respond(request)
        if not response.prepared:
            response.headers["Date"] = format_datetime(self._now(), usegmt=True)
        return response

    def _rejection(self, request: web.BaseRequest, name: str) -> web.Response | None:
        headers = request.headers
        if (trace_id := headers.get("X-Traceid")) is not None:
            self.stats.trace_ids.add(trace_id)
        if is_valid_task_id(name):
            self.stats.asks[name] += 1
        if self._rate_window is not None and not self._rate_window.admits(self.stats.arrivals[-1]):
            return self._throttled(self._rate_window.limit)
        if self._outages is not None and self._outages.are_on(self.stats.arrivals[-1]):
            return foreign_page(self.behaviour.outage_page, redirect_to=self.behaviour.redirect_to)
        rejection = self._find_rejection(request.method, request.raw_path, headers=headers)
        if rejection is None:
            return None
        self.stats.rejected[rejection] += 1
        return REJECTION_RESPONSES[rejection]()

    def _find_rejection(self, method: str, raw_path: str, *, headers: Mapping[str, str]) -> Rejection | None:
        if self._sessions is not None:
            return self._sessions.find_rejection(method, raw_path, headers=headers, now=self._now())
        return find_rejection(method, raw_path, headers=headers, behaviour=self.behaviour, now=self._now())

    def _throttled(self, limit: int) -> web.Response:
        seconds = self.behaviour.retry_after
        return throttled(
            None if self.behaviour.silent_limit else limit, retry_after=None if seconds is None else str(seconds)
        )

    async def _resource(self, request: web.BaseRequest, name: str, *, query: str) -> web.StreamResponse:
        if request.method != "GET" or "/" in name:
            if self._sessions is not None and self._sessions.renews(request.method, request.raw_path):
                return await self._sessions.renew(request, self._now())
            return gateway_error("APIGW.0101", "The API does not exist or has not been published", status=404)
        if name == LIST:
            return await self._list(request, query)
        if not is_valid_task_id(name):
            return service_error(13000102, "Parameter check failed: task_id")
        return await self._detail(request, name)

    async def _detail(self, request: web.BaseRequest, task_id: str) -> web.StreamResponse:
        self._admitted_asks[task_id] += 1
        ask = self._admitted_asks[task_id]
        if self.behaviour.latency_seconds or self.behaviour.latency_jitter_seconds:
            await asyncio.sleep(self._latency_seconds(task_id, ask))
        task = self.world.task(task_id, ask)
        faults = self._detail_faults
        fault = striking_fault(faults, task_id, ask=ask, seed=self.behaviour.seed) if faults else None
        return json_response(task) if fault is None else await self._show(fault, request, honest=task)

    async def _list(self, request: web.BaseRequest, query: str) -> web.StreamResponse:
        self._admitted_asks[LIST] += 1
        ask = self._admitted_asks[LIST]
        await asyncio.sleep(self._latency_seconds(LIST, ask))
        known_task_ids = sorted({*self.behaviour.task_ids, *self.world.overrides}, key=int)
        try:
            page = list_page(self.world, known_task_ids, query=parse_qs(query))
        except ValueError:
            return service_error(13000102, "Parameter check failed")
        fault = striking_fault(self._page_faults, LIST, ask=ask, seed=self.behaviour.seed)
        return json_response(page) if fault is None else await self._show(fault, request, honest=page)

    async def _show(self, fault: Fault, request: web.BaseRequest, *, honest: object) -> web.StreamResponse:
        """Show a configured fault instead of the honest response."""
        self.stats.faults[fault.name] += 1
        behaviour = self.behaviour
        struck = StruckRequest(
            request=request, honest=honest, now=self._now(), redirect_to=behaviour.redirect_to, closing=self.closing
        )
        return await effect_of(fault.name)(struck)

    def _latency_seconds(self, name: str, ask: int) -> float:
        jitter = self.behaviour.latency_jitter_seconds * draw(self.behaviour.seed, "latency", name, ask)
        return self.behaviour.latency_seconds + jitter

    async def _own_page(self, request: web.BaseRequest) -> web.Response:
        page = self._own_pages.get((request.method, request.raw_path))
        if page is None:
            return json_response({"error": "There is no such page."}, status=404)
        return await page(request)

    async def _show_stats(self, _request: web.BaseRequest) -> web.Response:
        return json_response(self.stats.summary())

    async def _show_asks(self, _request: web.BaseRequest) -> web.Response:
        return json_response(self.stats.asks)

    async def _reset_stats(self, _request: web.BaseRequest) -> web.Response:
        self.stats.reset()
        return json_response(self.stats.summary())

    async def _override_world(self, request: web.BaseRequest) -> web.Response:
        try:
            overrides = msgspec.json.decode(await request.read(), type=dict[str, Override])
        except msgspec.MsgspecError as error:
            return json_response({"error": str(error)}, status=400)
        self.world.overrides.update(overrides)
        return json_response({"overrides": len(self.world.overrides)})


def wall_clock(offset_seconds: float) -> Callable[[], datetime]:
    """Return a clock that is ahead of the machine's by the offset."""
    if not offset_seconds:
        return partial(datetime.now, UTC)
    offset = timedelta(seconds=offset_seconds)
    return lambda: datetime.now(UTC) + offset

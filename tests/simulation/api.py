"""A model of KooDrive in the process: the stand-in's tasks, hidden limits, and what goes wrong on the way.

It stands in for the HTTP session of a run. It keeps account of each request and each answer, which are the truth that a
night is audited against.
"""

import asyncio
import random
from collections import defaultdict, deque
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

import msgspec

from etl.fake_api.world import StatusWeights, World
from etl.koodrive.response import Response
from tests.simulation.loop import PROCESS

JSON = "application/json"
TOKENS = [f"Bearer simulated-token-number-{number}" for number in range(8)]
SESSION = "simulated-session-number-1"
X_DATE = "%Y%m%dT%H%M%SZ"
MAX_DATE_SECONDS = 900
PAGE = b"<!DOCTYPE html><html><head><title>Back soon</title></head><body>Maintenance</body></html>"

OWN = frozenset({"not_found", "forbidden", "malformed"})
"""Answers in KooDrive's own form that concern one task."""

PASSING = frozenset({"server_error", "refused", "stall", "slow"})
"""Failures that another request may not meet. A response with a time to wait is none: it concerns every request."""

FOREIGN = frozenset({"html", "redirect", "foreign_403", "wrong_task", "cut"})
"""Responses that KooDrive did not send, or not about this task."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: when it left, who sent it, about which task, and what came of it."""

    at: float
    by: object
    task_id: str
    kind: str
    is_probe: bool
    """Whether it shows only if KooDrive answers; nothing waits for what it says about its task."""


def error(status, body, **headers):
    return status, JSON, msgspec.json.encode(body), headers


def page(status, **headers):
    return status, "text/html", PAGE, headers


FORMS = {
    "not_found": lambda: error(404, {"code": 13000309, "msg": "no such task"}),
    "forbidden": lambda: error(403, {"code": 13000410, "msg": "no right"}),
    "server_error": lambda: error(500, {"code": 13000304, "msg": "try again"}),
    "unavailable": lambda: error(503, {"code": 13000304, "msg": "try again"}, **{"Retry-After": "3"}),
    "html": lambda: page(200),
    "redirect": lambda: page(302, Location="https://login.example.com/"),
    "foreign_403": lambda: page(403),
}


class HiddenLimit:
    """A token bucket of the gateway, which the program does not know."""

    def __init__(self, rate, burst):
        self._rate, self._burst, self._level, self._at = rate, burst, burst, None

    def admits(self, now):
        passed = 0.0 if self._at is None else now - self._at
        self._at, self._level = now, min(self._burst, self._level + passed * self._rate)
        if self._level < 1:
            return False
        self._level -= 1
        return True


class Api:
    """KooDrive, as all runs of one night see it."""

    def __init__(self, scenario, *, loop, wall, note, met, look):
        """Open for a night.

        Args:
            scenario: what goes wrong, and when.
            loop: the loop of the night.
            wall: returns KooDrive's time.
            note: receives an event and its words.
            met: receives a fault and the process that it strikes.
            look: receives the task and the process of each request.
        """
        self._scenario, self._loop, self._wall, self._note = scenario, loop, wall, note
        self._met, self._look = met, look
        self._chance = random.Random(f"api {scenario.seed}")
        weights = StatusWeights(success=60, failed=15, executing=15, new=10)
        self._world = World(seed=scenario.seed, weights=weights, progress=True)
        self._stages = {}
        self.curses = {scenario.task_id(index): kind for index, kind in scenario.curses}
        self.given = defaultdict(list)
        """The answers about each task: when it was so, its status and its result code."""
        self.asked = deque()
        self.by_task = defaultdict(list)
        self.answered = defaultdict(list)
        """The times at which a process got an answer in KooDrive's own form, about any task."""
        self.refreshed = defaultdict(int)
        self.waits = defaultdict(list)
        """From when until when KooDrive has asked a process to wait."""
        limit = scenario.hidden_limit
        self._limit = HiddenLimit(*limit) if limit else None
        self._valid_from = 0
        """The first token that is still valid."""
        self._newest = 0

    # Truth

    def detail(self, task_id, at):
        """Describe a task as it is at an instant; it advances with time, and never goes back."""
        stages = self._stages.get(task_id)
        if stages is None:
            chance = random.Random(f"{self._scenario.seed} {task_id}")
            stages = self._stages[task_id] = [1000 + chance.uniform(0, 150) for _ in range(2)]
        return self._world.task(task_id, 1 + sum(stage <= at for stage in stages))

    def end_of(self, task_id):
        """Return the status and the result code with which a task ends."""
        return fact_of(self.detail(task_id, float("inf")))

    def calm(self):
        """End all that goes wrong and may end: the storm is over."""
        self._limit = None
        lasting = OWN | FOREIGN
        self.curses = {task_id: kind for task_id, kind in self.curses.items() if kind in lasting}

    def repair(self, task_id):
        """End what goes wrong for one task."""
        self.curses.pop(task_id, None)

    # Requests

    @asynccontextmanager
    async def open_session(self, settings, *, base_url):
        yield Session(self, timeout=settings.timeout_seconds)

    async def ask(self, task_id, headers, *, patience):
        """Receive one request; returns the status, the type, the body and the headers of its response."""
        now, process = self._loop.time(), PROCESS.get()
        kind, seconds = self._fate(task_id, headers, now)
        kind = "stall" if seconds >= patience else kind
        asked = Asked(now, process, task_id, kind, is_probe=task_id not in process.attempted)
        process.attempted.discard(task_id)
        self.asked.append(asked)
        self.by_task[task_id].append(asked)
        self._note(process.name, f"asks about {task_id}: {kind}")
        self._look(task_id, process)
        process.doing["asking"] += 1
        try:
            if kind == "stall":
                await asyncio.sleep(patience)
                raise TimeoutError
            # The answer tells how the task was at some time between the request and the response.
            first = seconds * self._chance.random()
            await asyncio.sleep(first)
            response = self._respond(task_id, kind, process)
            await asyncio.sleep(seconds - first)
            if kind == "throttled" and "Retry-After" in response[3]:
                received_at = self._loop.time()
                self.waits[process].append((received_at, received_at + int(response[3]["Retry-After"])))
            return response
        finally:
            process.doing["asking"] -= 1

    def _fate(self, task_id, headers, now):
        """Choose what becomes of a request, and how long that takes."""
        seconds = self._chance.uniform(0.02, 0.2)
        kind = None
        if self._limit is not None and not self._limit.admits(now):
            kind = "throttled"
        for episode in self._scenario.episodes:
            if not episode.begins_at <= now - 1000 < episode.ends_at or self._chance.random() >= episode.share:
                continue
            self._met(episode.kind, PROCESS.get())
            match episode.kind:
                case "slow":
                    seconds *= 40
                case "expiry":
                    if self._valid_from <= self._newest < len(TOKENS) - 1 and self._chance.random() < 0.1:
                        self._valid_from = self._newest + 1
                case _:
                    kind = kind or episode.kind
        if kind is None and not self._is_authorized(headers):
            kind = "unauthorized"
        return kind or self.curses.get(task_id) or "answer", seconds

    def _is_authorized(self, headers):
        if TOKENS.index(headers["Authorization"]) < self._valid_from:
            return False
        if not self._scenario.has_clock_faults:
            return True
        dated = datetime.strptime(headers["X-Date"], X_DATE).replace(tzinfo=UTC)
        return -60 <= (self._wall() - dated).total_seconds() <= MAX_DATE_SECONDS

    def _respond(self, task_id, kind, process):
        if kind == "refused":
            raise ConnectionRefusedError(111, "Connection refused")
        if kind in OWN:
            self.answered[process].append(self._loop.time())
        if kind in FORMS:
            return FORMS[kind]()
        if kind == "throttled":
            named = {"Retry-After": str(self._chance.randint(1, 4))} if self._scenario.names_wait else {}
            return error(429, {"error_code": "APIGW.0308", "error_msg": "too fast"}, **named)
        if kind == "unauthorized":
            date = format_datetime(self._wall(), usegmt=True)
            return error(401, {"error_code": "APIGW.0301", "error_msg": "bad token"}, Date=date)
        other = f"1{task_id[1:-1]}7" if kind == "wrong_task" else task_id
        detail = self.detail(other, self._loop.time())
        body = msgspec.json.encode(detail)
        if kind == "malformed":
            return 200, JSON, body[:-1], {}
        if kind == "cut":
            return 200, JSON, body[:8], {}
        if kind == "drift":
            body = body[:-1] + b',"newField":1}'
        if kind != "wrong_task":
            self.answered[process].append(self._loop.time())
            self.given[task_id].append((self._loop.time(), *fact_of(detail)))
        return 200, JSON, body, {}

    def refresh(self):
        """Renew a token through its session."""
        self.refreshed[PROCESS.get()] += 1
        self._newest = max(self._newest, self._valid_from)
        return 200, msgspec.json.encode({"accessToken": TOKENS[self._newest].partition(" ")[2]})


def fact_of(detail):
    return detail.status, None if detail.result_code is msgspec.UNSET else detail.result_code


class Session:
    """Takes the place of the HTTP session of one run."""

    proxy = None

    def __init__(self, api, *, timeout):
        self._api = api
        self._timeout = timeout

    async def get(self, url, *, headers, trace_id, sent_at, **_options):
        task_id = url.raw_path.rpartition("/")[2]
        status, content_type, body, own = await self._api.ask(task_id, headers, patience=self._timeout)
        return Response(
            status=status, content_type=content_type, headers=own, body=body, trace_id=trace_id, sent_at=sent_at
        )

    async def post_json(self, url, *, headers, body=None):
        await asyncio.sleep(0.05)
        return self._api.refresh()

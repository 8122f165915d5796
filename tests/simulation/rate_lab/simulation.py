"""One night of the rate lab: workers, a network and a server as discrete events in virtual time; a seed repeats it."""

import math
import random
from bisect import bisect
from dataclasses import dataclass, field
from heapq import heappop, heappush

ARRIVES, ENDS, ANSWERED = range(3)

WAY = 0.2
"""The part of the latency that the way to the server takes, and the way back."""

REFUSAL_SECONDS = 0.001

BUSY_WAITS = [
    (0.0, 0.0001),
    (0.25, 0.0004),
    (0.5, 0.0036),
    (0.75, 0.0088),
    (0.9, 0.0142),
    (0.95, 0.0188),
    (0.99, 0.0339),
    (0.999, 0.0578),
    (1.0, 0.08),
]
"""How long a process waited for a processor on a machine of two with a load of 23: quantiles, and seconds."""

SLICE_SECONDS = 0.001
"""How long a process runs until it waits again."""


class Clock:
    """The seconds of the virtual time."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@dataclass(kw_only=True)
class Case:
    """A server behind a network, and the client's setting."""

    server: object
    max_rate: float
    latency: float
    jitter: float = 0.001
    retry_after: object = None
    """Returns the header for the seconds until the next place; None if the server gives no header."""
    names_limit: bool = False
    busy_machine: bool = False
    """Whether the clients and the server wait for a processor."""
    workers: int = 64


@dataclass(kw_only=True)
class Night:
    """What happened in a night."""

    seconds: float
    done: int
    requests: int
    refused: int
    allowance: float
    done_at: list = field(default_factory=list)

    @property
    def goodput(self):
        """The part of the limit that was used."""
        return self.done / self.allowance

    @property
    def refused_part(self):
        return self.refused / self.requests


def simulate(make_clients, case, *, tasks=math.inf, until=math.inf, seed=0):
    """Send tasks until so many are answered or the time is up.

    Args:
        make_clients: makes the clients of one night from the clock, the case and a random generator.
        case: the server and the network.
        tasks: the tasks to answer, at most.
        until: the virtual seconds, at most.
        seed: of all chance.
    """
    simulation = Simulation(make_clients, case, tasks=tasks, seed=seed)
    while len(simulation.done_at) < tasks and simulation.clock.now < until:
        simulation.step()
    return simulation.night()


class Simulation:
    """The events of one night that are still to come."""

    def __init__(self, make_clients, case, *, tasks, seed):
        self.case, self.server, self.left = case, case.server, tasks
        self.clock, self.rng = Clock(), random.Random(seed)
        self.clients = make_clients(self.clock, case, random.Random(seed + 1))
        self.events, self.serial = [], 0
        self.done_at, self.refused = [], 0
        self.in_flight, self.wake_at = [0] * len(self.clients), [0.0] * len(self.clients)
        self.serving = Process(case, self.rng)
        self.sending, self.receiving = ([Process(case, self.rng) for _ in self.clients] for _ in range(2))

    def step(self):
        """Send what may be sent, and handle the next event."""
        for index, client in enumerate(self.clients):
            self._send(index, client)
        soonest = min((at for index, at in enumerate(self.wake_at) if self._has_work(index)), default=math.inf)
        if not self.events or soonest < self.events[0][0]:
            self.clock.now = soonest
            return
        now, serial, kind, index, content = heappop(self.events)
        self.clock.now = now = max(self.clock.now, now)
        process = self.receiving[index] if kind == ANSWERED else self.serving
        if (runs_at := process.runs_at(now)) > now:
            heappush(self.events, (runs_at, serial, kind, index, content))
        elif kind == ARRIVES:
            self._arrive(now, index, content)
        elif kind == ENDS:
            self.server.ends(now)
            self._push(now + self._way(), ANSWERED, index, (content, True))
        else:
            self._answer(now, index, *content)

    def night(self):
        """Return what has happened."""
        done = len(self.done_at)
        return Night(
            seconds=self.clock.now,
            done=done,
            requests=done + self.refused + sum(self.in_flight),
            refused=self.refused,
            allowance=self.server.allowance(self.clock.now),
            done_at=self.done_at,
        )

    def _has_work(self, index):
        return self.left > 0 and self.in_flight[index] < self.case.workers

    def _send(self, index, client):
        now = self.clock.now
        while self.wake_at[index] <= now and self._has_work(index):
            admitted = client.admit()
            if isinstance(admitted, float):
                self.wake_at[index] = self.sending[index].runs_at(now + max(admitted, 1e-6))
                return
            self.in_flight[index] += 1
            self.left -= 1
            self._push(now + self._way(), ARRIVES, index, admitted)

    def _arrive(self, now, index, permit):
        if self.server.admits(now):
            seconds = (1 - 2 * WAY) * self.case.latency * self.server.slowdown(now)
            self._push(now + seconds * (0.5 - 0.5 * math.log(1 - self.rng.random())), ENDS, index, permit)
        else:
            wait = self.server.retry_after(now) if self.case.retry_after else None
            self._push(now + REFUSAL_SECONDS + self._way(), ANSWERED, index, (permit, wait))

    def _answer(self, now, index, permit, wait):
        self.in_flight[index] -= 1
        if wait is True:
            self.done_at.append(now)
            self.clients[index].accepted(permit)
        else:
            self.refused += 1
            self.left += 1
            self.clients[index].refused(permit, None if wait is None else self.case.retry_after(wait))
        self.wake_at[index] = now

    def _push(self, at, kind, index, content):
        self.serial += 1
        heappush(self.events, (at, self.serial, kind, index, content))

    def _way(self):
        return WAY * self.case.latency - self.case.jitter * math.log(1 - self.rng.random())


class Process:
    """A process that waits for a processor; what arrives meanwhile is handled together when it runs."""

    def __init__(self, case, rng):
        self.is_busy, self.rng = case.busy_machine, rng
        self.waits_from, self.at = -1.0, -1.0

    def runs_at(self, moment):
        """Return when the process handles what arrives at a moment."""
        if not self.is_busy:
            return moment
        if moment >= self.at + SLICE_SECONDS or moment < self.waits_from:
            self.waits_from, self.at = moment, moment + self._wait()
        return max(moment, self.at)

    def _wait(self):
        drawn = self.rng.random()
        upper = bisect(BUSY_WAITS, (drawn, math.inf))
        (low, shortest), (high, longest) = BUSY_WAITS[upper - 1 : upper + 1]
        return shortest + (drawn - low) / (high - low) * (longest - shortest)

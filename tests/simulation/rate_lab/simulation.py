"""One night of the rate lab: workers, a network and a server as discrete events in virtual time; a seed repeats it."""

import math
import random
from dataclasses import dataclass, field
from heapq import heappop, heappush

ARRIVES, ENDS, ANSWERED = range(3)

WAY = 0.2
"""The part of the latency that the way to the server takes, and the way back."""

REFUSAL_SECONDS = 0.001


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
    late_timers: bool = False
    """Whether the client's timers are late, as on a busy machine."""
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
    rng, clock = random.Random(seed), Clock()
    clients = make_clients(clock, case, random.Random(seed + 1))
    server, way, jitter = case.server, WAY * case.latency, case.jitter
    service = (1 - 2 * WAY) * case.latency
    chance, log = rng.random, math.log
    events, serial, done_at, refused = [], 0, [], 0
    in_flight, wake_at, left = [0] * len(clients), [0.0] * len(clients), tasks
    while len(done_at) < tasks and clock.now < until:
        for index, client in enumerate(clients):
            while wake_at[index] <= clock.now and in_flight[index] < case.workers and left > 0:
                admitted = client.admit()
                if isinstance(admitted, float):
                    late = _lateness(chance) if case.late_timers else 0.0
                    wake_at[index] = clock.now + max(admitted, 1e-6) + late
                    break
                in_flight[index] += 1
                left -= 1
                serial += 1
                heappush(events, (clock.now + way - jitter * log(1 - chance()), serial, ARRIVES, index, admitted))
        asleep = [at for at, busy in zip(wake_at, in_flight, strict=True) if busy < case.workers and left > 0]
        soonest = min(asleep, default=math.inf)
        if not events or soonest < events[0][0]:
            clock.now = soonest
            continue
        now, _, kind, index, permit = heappop(events)
        clock.now = max(clock.now, now)
        if kind == ARRIVES:
            serial += 1
            if server.admits(now):
                seconds = service * server.slowdown(now) * (0.5 - 0.5 * log(1 - chance()))
                heappush(events, (now + seconds, serial, ENDS, index, permit))
            else:
                wait = server.retry_after(now) if case.retry_after else None
                back = now + REFUSAL_SECONDS + way - jitter * log(1 - chance())
                heappush(events, (back, serial, ANSWERED, index, (permit, wait)))
        elif kind == ENDS:
            serial += 1
            server.ends(now)
            heappush(events, (now + way - jitter * log(1 - chance()), serial, ANSWERED, index, (permit, True)))
        else:
            in_flight[index] -= 1
            permit, wait = permit
            if wait is True:
                done_at.append(now)
                clients[index].accepted(permit)
            else:
                refused += 1
                left += 1
                clients[index].refused(permit, None if wait is None else case.retry_after(wait))
            wake_at[index] = clock.now
    return Night(
        seconds=clock.now,
        done=len(done_at),
        requests=len(done_at) + refused + sum(in_flight),
        refused=refused,
        allowance=server.allowance(clock.now),
        done_at=done_at,
    )


def _lateness(chance):
    """Return how late a timer is: 1 ms in the mean, and now and then 20 to 60 ms behind another process."""
    return 0.02 + 0.04 * chance() if chance() < 0.005 else -0.001 * math.log(1 - chance())

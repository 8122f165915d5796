"""The families of hidden limits: a seed draws a case of each."""

import math
import random

from etl.rate.values import HEADROOM
from tests.simulation.rate_lab.servers import (
    ConcurrencyLimit,
    FixedWindow,
    OddRefusals,
    Server,
    SlidingWindow,
    TokenBucket,
)
from tests.simulation.rate_lab.simulation import Case

CHANGE_AT = 120.0
"""The seconds after which a limit changes, in the families of changes."""


def whole_seconds(wait):
    """Give the wait in whole seconds, at least one."""
    return float(max(1, math.ceil(wait)))


def always_five(wait):
    return 5.0


def always_zero(wait):
    return 0.0


def _drawn(name, seed):
    rng = random.Random(f"{name} {seed}")
    max_rate = rng.uniform(100, 400)
    network = {"latency": rng.uniform(0.015, 0.12), "jitter": rng.uniform(0.0003, 0.004)}
    return rng, max_rate, max_rate * 0.02 * (0.95 / 0.02) ** rng.random(), {"max_rate": max_rate} | network


def bucket(burst, **details):
    def make(name, seed):
        _, _, limit, network = _drawn(name, seed)
        return Case(server=TokenBucket(limit, burst), **network, **details)

    return make


def fixed(seconds, *, follows_clock=True, **details):
    def make(name, seed):
        rng, _, limit, network = _drawn(name, seed)
        phase = rng.random() if follows_clock else None
        return Case(server=FixedWindow(limit, seconds, phase=phase), **network, **details)

    return make


def sliding(seconds, **details):
    def make(name, seed):
        _, _, limit, network = _drawn(name, seed)
        return Case(server=SlidingWindow(limit, seconds), **network, **details)

    return make


def concurrency(**details):
    def make(name, seed):
        _, max_rate, limit, network = _drawn(name, seed)
        round_trip = network["latency"] + 2 * network["jitter"]
        places = max(1, round(limit * round_trip))
        network["max_rate"] = max(max_rate, 1.2 * places / round_trip)
        return Case(server=ConcurrencyLimit(places, round_trip), **network, **details)

    return make


def neighbour(**details):
    """Another client takes 0 to 40 % of the limit, and changes its part every 5 to 30 s."""

    def make(name, seed):
        rng, _, limit, network = _drawn(name, seed)
        changes, at = [], 0.0
        while at < 3600:
            at += rng.uniform(5, 30)
            changes.append((at, limit * rng.uniform(0.6, 1.0)))
        return Case(server=TokenBucket(limit, 0.2, changes=changes), **network, **details)

    return make


def slowing(**details):
    def make(name, seed):
        _, _, limit, network = _drawn(name, seed)
        return Case(server=TokenBucket(limit, 1.0, slows_down=True), **network, **details)

    return make


def changed(factor, **details):
    """The limit changes after ``CHANGE_AT`` seconds, and stays below ``max_rate``."""

    def make(name, seed):
        _, max_rate, limit, network = _drawn(name, seed)
        limit = min(limit, 0.95 * max_rate / max(1.0, factor))
        server = TokenBucket(limit, 0.2, changes=[(CHANGE_AT, factor * limit)])
        return Case(server=server, **network, **details)

    return make


def odd(part, *, starts_at=0.0, ends_at=math.inf, **details):
    """A part of the requests is refused from one second to another; there is no limit but ``max_rate``."""

    def make(name, seed):
        rng, max_rate, _, network = _drawn(name, seed)
        server = OddRefusals(HEADROOM * max_rate, part, rng, starts_at=starts_at, ends_at=ends_at)
        return Case(server=server, **network, **details)

    return make


def unlimited(name, seed):
    _, max_rate, _, network = _drawn(name, seed)
    return Case(server=Server(HEADROOM * max_rate), **network)


HEADER = {"retry_after": whole_seconds}

FAMILIES = {
    "bucket 0.05 s, RA": bucket(0.05, **HEADER),
    "bucket 0.05 s": bucket(0.05),
    "bucket 0.2 s, RA": bucket(0.2, **HEADER),
    "bucket 0.2 s": bucket(0.2),
    "bucket 1 s, RA": bucket(1.0, **HEADER),
    "bucket 1 s": bucket(1.0),
    "bucket 10 s, RA": bucket(10.0, **HEADER),
    "bucket 10 s": bucket(10.0),
    "bucket 0.2 s, RA always 5": bucket(0.2, retry_after=always_five),
    "bucket 0.2 s, RA always 0": bucket(0.2, retry_after=always_zero),
    "bucket 0.2 s, named": bucket(0.2, names_limit=True, **HEADER),
    "bucket 0.2 s, RA, busy machine": bucket(0.2, busy_machine=True, **HEADER),
    "bucket 0.2 s, busy machine": bucket(0.2, busy_machine=True),
    "bucket 1 s, RA, busy machine": bucket(1.0, busy_machine=True, **HEADER),
    "fixed 1 s, RA": fixed(1.0, **HEADER),
    "fixed 1 s": fixed(1.0),
    "sliding 1 s, RA": sliding(1.0, **HEADER),
    "sliding 1 s": sliding(1.0),
    "fixed 60 s, RA": fixed(60.0, **HEADER),
    "fixed 60 s": fixed(60.0),
    "minute quota, RA": fixed(60.0, follows_clock=False, **HEADER),
    "minute quota": fixed(60.0, follows_clock=False),
    "concurrency": concurrency(),
    "concurrency, RA": concurrency(**HEADER),
    "neighbour, RA": neighbour(**HEADER),
    "neighbour": neighbour(),
    "latency rises": slowing(),
    "no hidden limit": unlimited,
    "one in 1,000 refused": odd(0.001),
    "one in 100 refused": odd(0.01),
}

CHANGES = {
    "doubled, RA": changed(2.0, **HEADER),
    "doubled": changed(2.0),
    "halved, RA": changed(0.5, **HEADER),
    "halved": changed(0.5),
    "half of a minute refused, RA": odd(0.5, starts_at=CHANGE_AT - 60, ends_at=CHANGE_AT, **HEADER),
    "half of a minute refused": odd(0.5, starts_at=CHANGE_AT - 60, ends_at=CHANGE_AT),
    "half of two minutes refused, RA": odd(0.5, ends_at=CHANGE_AT, **HEADER),
    "half of two minutes refused": odd(0.5, ends_at=CHANGE_AT),
}

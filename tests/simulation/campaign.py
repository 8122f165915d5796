"""Plays many nights in several processes."""

import gc
import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

from tests.postgresql_server import running
from tests.simulation.databases import Databases
from tests.simulation.machine import installed
from tests.simulation.night import play
from tests.simulation.postgresql_database import PostgreSQLDatabase
from tests.simulation.scenario import scenario_of
from tests.simulation.sqlite_database import SQLiteDatabase

SEEDS_AT_ONCE = 10

_stage = {}


@dataclass
class Campaign:
    """The sum of many nights."""

    nights: int = 0
    runs: int = 0
    requests: int = 0
    hours: float = 0.0
    """The virtual hours."""
    met: Counter = field(default_factory=Counter)
    broken: dict = field(default_factory=dict)
    """What broke, by seed."""


@contextmanager
def database_class(engine, *, server=None):
    """Yield what makes the databases of an engine.

    Args:
        engine: the name of the engine.
        server: the address of a database on a server; None if a server is to run until the context ends.
    """
    if engine == "sqlite":
        yield SQLiteDatabase
    elif server is not None:
        yield partial(PostgreSQLDatabase, server)
    else:
        with running() as started:
            yield partial(PostgreSQLDatabase, started.get_uri())


def prepare(make=SQLiteDatabase):
    """Make the databases and replace the machine for the life of this process; a second call changes nothing."""
    if not _stage:
        _stage["machine"] = ExitStack()
        _stage["machine"].enter_context(installed())
        _stage["databases"] = Databases(make)
        # What is there now stays for ever: no collection after a night needs to look at it.
        gc.collect()
        gc.freeze()
    return _stage["databases"]


def play_seeds(seeds, *, stop_at_first=False):
    """Play some nights in this process."""
    databases, campaign = prepare(), Campaign()
    for seed in seeds:
        played = play(scenario_of(seed), databases)
        campaign.nights += 1
        campaign.runs += played.runs
        campaign.requests += played.requests
        campaign.hours += played.seconds / 3600
        campaign.met.update(played.met)
        if played.broken:
            campaign.broken[seed] = played.broken
            if stop_at_first:
                break
    return campaign


def play_many(seeds, *, make=SQLiteDatabase, processes=None, note=lambda _part: None):
    """Play nights in as many processes as there are cores; returns their sum."""
    total = Campaign()
    with ProcessPoolExecutor(processes or os.cpu_count(), initializer=prepare, initargs=[make]) as pool:
        for part in pool.map(play_seeds, chunks(seeds, SEEDS_AT_ONCE)):
            add(total, part)
            note(part)
    return total


def chunks(seeds, size):
    return [list(seeds[start : start + size]) for start in range(0, len(seeds), size)]


def add(total, part):
    total.nights += part.nights
    total.runs += part.runs
    total.requests += part.requests
    total.hours += part.hours
    total.met.update(part.met)
    total.broken.update(part.broken)

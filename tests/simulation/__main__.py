"""Plays nights: ``make simulate``, or ``python -m tests.simulation --first 17 --nights 1 --story``."""

import argparse
import os
import sys
import time

# One thread for each process: a frame of ten rows gains nothing by more.
os.environ.setdefault("POLARS_MAX_THREADS", "1")

# polars reads the variable when it is imported.
from tests.simulation.campaign import database_class, play_many, prepare
from tests.simulation.coverage import table_of
from tests.simulation.found import FOUND
from tests.simulation.night import play
from tests.simulation.scenario import scenario_of
from tests.simulation.shrinking import shrunk
from tests.simulation.story import told


def main():
    parser = argparse.ArgumentParser(description="Play simulated nights, and audit each.")
    parser.add_argument("--nights", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--processes", type=int, default=None)
    parser.add_argument(
        "--engine",
        choices=("sqlite", "postgresql"),
        default="sqlite",
        help="where queue and warehouse are: in SQLite in memory, or, slower, on a PostgreSQL server that this starts",
    )
    parser.add_argument("--server", help="the URL of the database `postgres` of a server, to play there instead")
    parser.add_argument("--story", action="store_true", help="tell each night, without making it smaller")
    parser.add_argument("--found", action="store_true", help="play the nights that have found a fault, and tell each")
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.nights)
    with database_class(options.engine, server=options.server) as make:
        if options.found:
            return _tell(FOUND.values(), make)
        if options.story:
            _tell(map(scenario_of, seeds), make)
            return 0
        return _play(seeds, make, processes=options.processes)


def _tell(scenarios, make):
    """Tell nights; returns 1 if one is broken."""
    exit_code = 0
    for scenario in scenarios:
        night = play(scenario, prepare(make))
        print(told(night))
        exit_code |= bool(night.broken)
    return int(exit_code)


def _play(seeds, make, *, processes):
    """Play nights; returns 1 if one is broken."""
    began = time.monotonic()
    total = play_many(seeds, make=make, processes=processes, note=_note)
    seconds = time.monotonic() - began
    print(table_of(total.met))
    print(
        f"{total.nights:,} nights with {total.runs:,} runs, {total.requests:,} requests and {total.hours:,.0f} virtual "
        f"hours in {seconds:,.0f} s ({total.nights / seconds:.1f} nights a second); {len(total.broken)} are broken."
    )
    if total.broken:
        seed = min(total.broken)
        print(f"Seed {seed}, made smaller:")
        databases = prepare(make)
        print(told(shrunk(play(scenario_of(seed), databases), databases)))
    return 1 if total.broken else 0


def _note(part):
    for seed, broken in part.broken.items():
        print(f"seed {seed}: {broken}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""Prints the table of the rate lab: ``python -m tests.simulation.rate_lab``, or ``make rate-lab``.

A cell reads: the part of the limit that was used in the mean, at the 5th percentile, and the refused requests in
percent. The figures are for people; no figure passes or fails.
"""

import logging
import os
from bisect import bisect_left
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from statistics import mean

import click
import structlog

from tests.simulation.rate_lab.aimd import Aimd
from tests.simulation.rate_lab.clients import Botocore, Product
from tests.simulation.rate_lab.families import CHANGE_AT, CHANGES, FAMILIES
from tests.simulation.rate_lab.simulation import simulate

CLIENTS = {"the job": Product, "plain AIMD": Aimd, "botocore": Botocore}

RECOVERED = 0.9
"""The part of the new limit at which a client has found it."""


def alone(client, clock, case, rng):
    return [client(clock, case, rng)]


def night(client, family, *, seed, tasks):
    found = simulate(partial(alone, CLIENTS[client]), FAMILIES[family](family, seed), tasks=tasks, seed=seed)
    return found.goodput, found.refused_part


def after_change(client, family, *, seed, tasks):
    """Return the seconds until ten seconds with nine tenths of the new limit, the use after it, and the refusals."""
    case = CHANGES[family](family, seed)
    found = simulate(partial(alone, CLIENTS[client]), case, until=CHANGE_AT + 300, seed=seed)
    counts = [bisect_left(found.done_at, CHANGE_AT + second) for second in range(301)]
    needed = RECOVERED * 10 * case.server.limit
    seconds = next((start for start in range(291) if counts[start + 10] - counts[start] >= needed), 291)
    return seconds, (counts[-1] - counts[0]) / (300 * case.server.limit), found.refused_part


def _quiet():
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def cell(results):
    used, refused = [used for used, _ in results], [refused for _, refused in results]
    low = sorted(used)[len(used) // 20]
    return f"{mean(used):.3f} / {low:.3f} / {100 * mean(refused):.2f}"


def change_cell(results):
    within = mean(seconds <= 30 for seconds, _, _ in results)
    used, refused = mean(used for _, used, _ in results), mean(refused for _, _, refused in results)
    return f"{within:.2f} in 30 s / {used:.3f} / {100 * refused:.2f}"


def measured(names, *, seeds, tasks, first=0, only="", processes=None):
    """Give each family with a cell of each client, measured with that many seeds."""
    with ProcessPoolExecutor(processes or os.cpu_count(), initializer=_quiet) as pool:
        for family in [*FAMILIES, *CHANGES]:
            if not any(part in family for part in only.split(";")):
                continue
            run, show = (night, cell) if family in FAMILIES else (after_change, change_cell)
            cells = []
            for client in names:
                jobs = [pool.submit(run, client, family, seed=first + seed, tasks=tasks) for seed in range(seeds)]
                cells.append(show([job.result() for job in jobs]))
            yield family, *cells


@click.command()
@click.option("--seeds", default=40, help="The nights of each family.")
@click.option("--first", default=0, help="The first seed.")
@click.option("--tasks", default=9_000, help="The tasks of each night.")
@click.option("--only", default="", help="Families whose name contains this.")
@click.option("--client", "names", multiple=True, type=click.Choice(list(CLIENTS)), help="This client; repeatable.")
@click.option("--processes", type=int, help="The processes; as many as there are processors by default.")
def rate_lab(*, seeds, first, tasks, only, names, processes):
    """Print how much of each hidden limit is used."""
    names = names or tuple(CLIENTS)
    click.echo(f"| family, {tasks:,} tasks, {seeds} seeds | " + " | ".join(names) + " |")
    click.echo("|---|" + "---|" * len(names))
    for row in measured(names, seeds=seeds, tasks=tasks, first=first, only=only, processes=processes):
        click.echo(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    rate_lab()

"""kill -9 of runs while the clock of the machine steps an hour ahead and back, between runs and during them.

The programs of the machine have one clock: the job, the server of the databases, and PgBouncer. A step reaches all of
them in the middle of their work.
"""

import random
from contextlib import nullcontext
from datetime import timedelta

import pytest
from pydantic import SecretStr

from tests.crash.test_kill import SEED
from tests.crash.test_servers import ended, wait_for_requests
from tests.field.pgbouncer import pooling

HOUR = timedelta(hours=1)
STEPS = (-HOUR, timedelta(), HOUR)
FILES = ["sqlite+duckdb", "one sqlite"]
MAX_REQUESTS = 60
"""The requests between two events, at most: a batch and a half."""
TASKS = 6_000
"""More than forty runs ask about before they are killed. On such a clock, each reading of the time costs a file."""


def wait_for_some_requests(ledger, process, chance):
    wait_for_requests(ledger, ledger.night.api.stats.requests + chance.randint(1, MAX_REQUESTS), process)


def step(ledger, clock, ahead):
    clock.set(ahead)
    ledger.steps += 1


def kill_while_the_clock_steps(ledger, clock, *, times):
    """Kill runs in the middle of their work; the clock may step before each run, and steps during it."""
    chance = random.Random(SEED)
    for _ in range(times):
        step(ledger, clock, before := chance.choice(STEPS))
        with ledger.run_behind(*clock.prefix) as process:
            wait_for_some_requests(ledger, process, chance)
            step(ledger, clock, chance.choice([ahead for ahead in STEPS if ahead != before]))
            wait_for_some_requests(ledger, process, chance)
            process.kill()
            process.wait()
        ledger.audit_killed()


def finish_while_the_clock_steps(ledger, clock):
    """Let a run complete the work while the clock steps back and ahead, and audit with the right time."""
    step(ledger, clock, HOUR)
    with ledger.run_behind(*clock.prefix, "TASK_AUDIT_RUN__BATCH_SIZE=500") as process:
        for ahead in (-HOUR, HOUR):
            wait_for_some_requests(ledger, process, random.Random(SEED))
            step(ledger, clock, ahead)
        code, stderr = ended(process)
    assert code in {0, 65}, stderr
    ledger.audit()
    clock.set(timedelta())
    ledger.finish()


def test_runs_that_are_killed_while_the_clock_steps_are_completed(ledger_of, two_places, clock):
    with ledger_of(two_places("one sqlite"), tasks=500) as ledger:
        kill_while_the_clock_steps(ledger, clock, times=2)
        finish_while_the_clock_steps(ledger, clock)


@pytest.mark.soak
@pytest.mark.parametrize("names", FILES)
def test_forty_kills_while_the_clock_steps_lose_nothing(ledger_of, two_places, clock, names):
    with ledger_of(two_places(names), tasks=TASKS) as ledger:
        kill_while_the_clock_steps(ledger, clock, times=40)
        finish_while_the_clock_steps(ledger, clock)


@pytest.mark.soak
@pytest.mark.parametrize("is_pooled", [False, True])
def test_forty_kills_while_the_clock_of_a_server_steps_lose_nothing(ledger_of, server_in, clock, is_pooled):
    url = server_in(clock.environment).url()
    pool = pooling(url.get_secret_value(), prefix=clock.prefix) if is_pooled else nullcontext(url.get_secret_value())
    with pool as place, ledger_of((SecretStr(place),) * 2, tasks=TASKS) as ledger:
        kill_while_the_clock_steps(ledger, clock, times=40)
        finish_while_the_clock_steps(ledger, clock)

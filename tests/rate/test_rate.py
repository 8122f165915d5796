"""The pool sends to a server in another process, which limits the requests in any one second and counts them."""

import asyncio
import json
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from urllib.request import urlopen
from uuid import uuid4

import pytest

from etl.fake_api.stats import peak_per_second
from etl.fetch.backlog import Backlog
from etl.fetch.budget import RetryBudget
from etl.fetch.gate import Gate
from etl.fetch.pool import Pool
from etl.fetch.retry import RetryPolicy
from etl.koodrive.client import open_koodrive
from etl.rate.limiter import RateLimiter
from etl.settings.model import ApiSettings
from etl.shutdown import Shutdown
from etl.tasks import Observation, PendingTask

RATE = 200
REFUSED_ABOVE = 202
"""One percent more: requests that leave evenly still arrive in bunches."""
SECONDS = 4
TRIES = 12
"""If other processes delay the server or a request for a moment, too many requests are counted at once."""


@pytest.fixture
def base_url():
    command = [
        sys.executable,
        "-m",
        "etl",
        "fake-api",
        "--rate",
        str(REFUSED_ABOVE),
        "--latency",
        "0.02",
        "--jitter",
        "0.03",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


async def paced(limiter, sent_at):
    """Take each turn of a limiter and do nothing else."""
    while True:
        await asyncio.sleep(limiter.seconds_left())
        if limiter.seconds_left() <= 0:
            limiter.take()
            sent_at.append(time.monotonic())


def rate_of(moments):
    return (len(moments) - 1) / (moments[-1] - moments[0])


async def asked_at_the_ceiling(base_url):
    """Ask for some seconds; return the rate of the pool and that of a bare limiter on the same, equally late, loop."""
    settings = ApiSettings(base_url=base_url, user_id="1", token="t0ken", max_rate=RATE)
    task_ids = [str(number) for number in range(RATE * SECONDS)]
    shutdown, sent_at, observed = Shutdown(), [], []
    loop = asyncio.get_running_loop()
    async with open_koodrive(settings, run_id=str(uuid4()), clock=lambda: datetime.now(UTC)) as koodrive:

        async def ask(task):
            sent_at.append(loop.time())
            return await koodrive.ask(task)

        async def remember(outcome):
            observed.append(outcome)

        pool = Pool(
            ask,
            gate=Gate(RateLimiter(settings.max_rate), shutdown=shutdown, patience_seconds=settings.patience_seconds),
            policy=RetryPolicy(attempts=settings.attempts),
            budget=RetryBudget(),
            concurrency=settings.concurrency,
            shutdown=shutdown,
        )
        backlog = Backlog(low=0, rest_seconds=60)
        backlog.fill(PendingTask(task_id=task_id) for task_id in task_ids)
        backlog.end()
        turns = []
        pacing = asyncio.create_task(paced(RateLimiter(settings.max_rate), turns))
        await pool.work(backlog, remember)
        pacing.cancel()
        with suppress(asyncio.CancelledError):
            await pacing
    assert {outcome.task.task_id for outcome in observed if isinstance(outcome, Observation)} == set(task_ids)
    return rate_of(sent_at), rate_of([turn for turn in turns if turn <= sent_at[-1]]), peak_per_second(sent_at)


def test_the_pool_uses_the_whole_rate_and_the_server_refuses_no_request(base_url):
    for _ in range(TRIES):
        used, possible, sent = asyncio.run(asked_at_the_ceiling(base_url))
        with urlopen(base_url + "/stand-in/stats", timeout=10) as page:  # noqa: S310  the test's own server
            seen = json.load(page)
        is_within = max(sent, seen["peak_per_second"]) <= REFUSED_ABOVE and seen["throttled"] == 0
        if used >= 0.99 * possible and is_within:
            return
        urlopen(base_url + "/stand-in/stats/reset", data=b"", timeout=10).close()  # noqa: S310
        print(f"{used:.1f} requests a second of {possible:.1f}", seen)
    pytest.fail("too fast or too slow in every try")

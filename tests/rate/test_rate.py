"""The pool against a server in another process that allows so many requests in any one second, and counts them."""

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime
from urllib.request import urlopen
from uuid import uuid4

import pytest

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
SECONDS = 4
TRIES = 4
"""If another process takes the machine for a moment, the server is late and counts too many requests at once."""


@pytest.fixture
def base_url():
    command = [sys.executable, "-m", "etl", "fake-api", "--rate", str(RATE), "--latency", "0.02", "--jitter", "0.03"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


async def asked_at_the_ceiling(base_url):
    """Send requests for some seconds; returns the part of the rate that was used."""
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
        await pool.work(backlog, remember)
    assert {outcome.task.task_id for outcome in observed if isinstance(outcome, Observation)} == set(task_ids)
    return (len(sent_at) - 1) / (sent_at[-1] - sent_at[0]) / RATE


def test_the_whole_rate_and_never_a_429(base_url):
    for _ in range(TRIES):
        used = asyncio.run(asked_at_the_ceiling(base_url))
        with urlopen(base_url + "/stand-in/stats", timeout=10) as page:  # noqa: S310  the test's own server
            seen = json.load(page)
        if used >= 0.97 and seen["throttled"] == 0 and seen["peak_per_second"] <= 1.03 * RATE:
            return
        urlopen(base_url + "/stand-in/stats/reset", data=b"", timeout=10).close()  # noqa: S310
        print(f"used {used:.3f} of the rate", seen)
    pytest.fail("too fast or too slow in every try")

"""Measures what each layer around one request costs: the bare session, the checking client, and the pool."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from statistics import median
from uuid import uuid4

from pydantic import SecretStr
from rich.table import Table

from etl.fetch.backlog import Backlog
from etl.fetch.budget import RetryBudget
from etl.fetch.gate import Gate
from etl.fetch.pool import Pool
from etl.fetch.retry import RetryPolicy
from etl.koodrive.client import KooDrive, open_koodrive
from etl.rate.limiter import RateLimiter
from etl.settings.model import ApiSettings
from etl.shutdown import Shutdown
from etl.tasks import Outcome, PendingTask
from tests.bench import bare_loop
from tests.bench.parts import STAND_IN, Sizes, serving, task_ids

APP = {"auth": "app", "app_id": "a378331e", "app_secret": SecretStr("invented")}
TOKEN = {"token": SecretStr("Bearer bench")}

Layer = Callable[[str, list[str]], Coroutine[None, None, object]]


def tables(sizes: Sizes, _postgres: str) -> Iterator[Table]:
    """Measure each layer against one stand-in, in turn."""
    ids = task_ids(sizes.tasks)
    seconds: dict[str, list[float]] = {name: [] for name in LAYERS}
    with serving(STAND_IN) as base_url:
        for _ in range(sizes.repetitions):
            for name, layer in LAYERS.items():
                seconds[name].append(_cpu_seconds(layer, base_url, ids))
    table = Table(
        "one request", title=f"{sizes.tasks:,} requests; medians of {sizes.repetitions}", title_justify="left"
    )
    table.add_column("CPU µs", justify="right")
    table.add_column("of the bare loop", justify="right")
    bare = median(seconds["bare aiohttp loop"])
    for name, measured in seconds.items():
        table.add_row(name, f"{1e6 * median(measured) / len(ids):,.1f}", f"{median(measured) / bare:.2f}")
    yield table


def _cpu_seconds(layer: Layer, base_url: str, ids: list[str]) -> float:
    before = time.process_time()
    asyncio.run(layer(base_url, ids))
    return time.process_time() - before


async def _bare(base_url: str, ids: list[str]) -> object:
    return await bare_loop.ask_all(base_url, iter(ids))


def _client(**credentials: object) -> Layer:
    async def ask_all(base_url: str, ids: list[str]) -> object:
        async with _koodrive(base_url, credentials) as koodrive:
            tasks = iter([PendingTask(task_id=task_id) for task_id in ids])

            async def work() -> None:
                for task in tasks:
                    await koodrive.ask(task)

            return await asyncio.gather(*(work() for _ in range(bare_loop.WORKERS)))

    return ask_all


async def _pool(base_url: str, ids: list[str]) -> object:
    shutdown, given = Shutdown(), []

    async def give(outcome: Outcome) -> None:
        given.append(outcome)

    async with _koodrive(base_url, TOKEN) as koodrive:
        pool = Pool(
            koodrive.ask,
            gate=Gate(RateLimiter(1_000_000), shutdown=shutdown, patience_seconds=0),
            policy=RetryPolicy(attempts=4),
            budget=RetryBudget(),
            concurrency=bare_loop.WORKERS,
            shutdown=shutdown,
        )
        backlog = Backlog(low=0, rest_seconds=0)
        backlog.fill(PendingTask(task_id=task_id) for task_id in ids)
        backlog.end()
        await pool.work(backlog, give)
    return given


def _koodrive(base_url: str, credentials: dict[str, object]) -> AbstractAsyncContextManager[KooDrive]:
    settings = ApiSettings(base_url=base_url, user_id="1505084218764547200", **credentials)
    return open_koodrive(settings, run_id=str(uuid4()), clock=lambda: datetime.now(UTC))


LAYERS: dict[str, Layer] = {
    "bare aiohttp loop": _bare,
    "client, token": _client(**TOKEN),
    "client, app signature": _client(**APP),
    "client, token, in the pool": _pool,
}

"""Opens the gate to the API for the jobs that ask it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from sqlalchemy import Engine

from etl.database.clock import steady_seconds
from etl.fetch.gate import Gate
from etl.jobs.opening import max_rate_of
from etl.rate.limiter import RateLimiter
from etl.rate.share import RateShare
from etl.rate.table import SharedRate, rate_table
from etl.run.database_retry import DatabaseRetry
from etl.runs import RunRequest
from etl.settings.load import Settings
from etl.shutdown import Shutdown
from etl.source.tables import pending_table


@asynccontextmanager
async def open_gate(
    settings: Settings, request: RunRequest, *, engine: Engine, run_id: str, shutdown: Shutdown
) -> AsyncIterator[Gate]:
    """Make the gate. All runs on one pending table share one rate, except runs that may not write there."""
    max_rate, patience_seconds = max_rate_of(settings, request), settings.api.patience_seconds
    limiter = RateLimiter(max_rate, clock=steady_seconds)
    if settings.source.mode == "read_only" or request.dry_run:
        yield Gate(limiter, shutdown=shutdown, patience_seconds=patience_seconds)
        return
    shared_rate = SharedRate(engine, rate_table(pending_table(settings.source.table)), holder=run_id)
    retry = DatabaseRetry(shutdown)
    rate_share = RateShare(
        partial(retry.call, shared_rate.lease),
        partial(retry.run, shared_rate.pause),
        limiter=limiter,
        max_rate=max_rate,
        shutdown=shutdown,
    )
    try:
        yield Gate(limiter, shutdown=shutdown, patience_seconds=patience_seconds, rate_share=rate_share)
    finally:
        await rate_share.end()

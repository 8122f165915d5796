"""Runs the whole job on embedded parts: a stand-in API, a pending table, a warehouse, and one question."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Row, text

from etl.fake_api import Behaviour, running_in_thread
from etl.jobs.opening import initialize, open_queue, open_warehouse
from etl.resources import resource
from etl.settings.load import Settings
from etl.settings.model import ApiSettings, SourceSettings, WarehouseSettings
from etl.source.enqueue import enqueue
from etl.tasks import ID_EPOCH_MS, ID_TIME_SHIFT, milliseconds

TASKS = 1_000
DAYS = 7
MAX_RATE = 250.0
TOKEN = "Bearer demo"  # noqa: S105 - the token of the stand-in
QUERY = "failures_by_result_code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """The parts of a demo."""

    settings: Settings
    pending_file: Path
    warehouse_file: Path
    new_tasks: int


@contextmanager
def prepared(folder: Path, *, seed: int) -> Iterator[Demo]:
    """Create new files, fill the pending table, and keep the stand-in API running."""
    folder.mkdir(parents=True, exist_ok=True)
    pending_file, warehouse_file = folder / "pending.sqlite", folder / "warehouse.duckdb"
    for file in folder.glob("*"):
        if file.name.startswith((pending_file.name, warehouse_file.name)):
            file.unlink()
    with running_in_thread(Behaviour(seed=seed, token=TOKEN, latency_seconds=0.02)) as api:
        settings = Settings.model_validate(
            {
                "source": SourceSettings.model_validate({"url": f"sqlite:///{pending_file}"}),
                "warehouse": WarehouseSettings.model_validate({"url": f"duckdb:///{warehouse_file}"}),
                "api": ApiSettings.model_validate(
                    {"base_url": api.base_url, "token": TOKEN, "user_id": "1505084218764547200", "max_rate": MAX_RATE}
                ),
            }
        )
        initialize(settings)
        with open_queue(settings.source) as (engine, table):
            added = enqueue(engine, table, _tasks(seed))
        yield Demo(settings=settings, pending_file=pending_file, warehouse_file=warehouse_file, new_tasks=added.new)


def ask_the_analysts_question(demo: Demo) -> tuple[str, list[str], list[Row[tuple[object, ...]]]]:
    """Run one of the shipped questions; returns its text, columns and rows."""
    question = resource("sql", "queries", f"{QUERY}.sql").read_text(encoding="utf-8")
    with open_warehouse(demo.settings.warehouse) as warehouse, warehouse.engine.connect() as connection:
        result = connection.execute(text(question))
        return question, list(result.keys()), list(result.all())


def _tasks(seed: int) -> Iterator[tuple[str, datetime | None]]:
    """Invent tasks of the last days; one in ten has no time of submission except the one in its ID."""
    chance = random.Random(seed)  # noqa: S311 - the tasks need no secure randomness
    now = datetime.now(UTC).replace(microsecond=0)
    for number in range(TASKS):
        submitted_at = now - timedelta(seconds=chance.randrange(DAYS * 86_400))
        task_id = (milliseconds(submitted_at) - ID_EPOCH_MS << ID_TIME_SHIFT) + number
        yield str(task_id), None if number % 10 == 0 else submitted_at

"""Runs the whole job on embedded parts: a stand-in API, a pending table, a warehouse, and one question."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from etl.fake_api import Behaviour, running_in_thread
from etl.jobs.opening import initialize, open_queue, open_warehouse
from etl.settings.load import Settings
from etl.settings.model import ApiSettings, SourceSettings, WarehouseSettings
from etl.source.enqueue import enqueue
from etl.tasks import ID_EPOCH_MS, ID_TIME_SHIFT, milliseconds
from etl.warehouse.read.label_file import RESULT_CODE, Label
from etl.warehouse.read.labels import import_labels
from etl.warehouse.read.questions import ResultSet, ask, questions

TASKS = 1_000
DAYS = 7
MAX_RATE = 250.0
TOKEN = "Bearer demo"  # noqa: S105 - the token of the stand-in
QUERY = "failures_by_result_code"

LABELS = {
    "18000205": ("Receiver has no space", "capacity", "Enlarge the receiver's space and start the task anew."),
    "18000101": ("File is locked", "conflict", "Close the file and start the task anew."),
    "18000207": ("Receiver does not exist", "account", "Choose another receiver."),
    "18000306": ("No right to the folder", "rights", "Give the receiver the right to the folder."),
    "18000412": ("File was changed meanwhile", "conflict", "Start the task anew."),
}
"""Invented explanations of the stand-in's result codes; one code stays unexplained, as on a first night."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """The parts of a demo."""

    settings: Settings
    pending_file: Path
    warehouse_file: Path
    report_file: Path
    new_tasks: int


@contextmanager
def prepared(folder: Path, *, seed: int) -> Iterator[Demo]:
    """Create new files, fill the pending table, and keep the stand-in API running."""
    folder.mkdir(parents=True, exist_ok=True)
    pending_file, warehouse_file, report_file = (
        folder / name for name in ("pending.sqlite", "warehouse.duckdb", "report.html")
    )
    for file in folder.glob("*"):
        if file.name.startswith((pending_file.name, warehouse_file.name, report_file.name)):
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
        yield Demo(
            settings=settings,
            pending_file=pending_file,
            warehouse_file=warehouse_file,
            report_file=report_file,
            new_tasks=added.new,
        )


def explain_codes(demo: Demo) -> None:
    """Import the labels, as a user does with ``task-audit labels import``."""
    labels = [
        Label(dimension=RESULT_CODE, code=code, title=title, category=category, action=action)
        for code, (title, category, action) in LABELS.items()
    ]
    with open_warehouse(demo.settings.warehouse) as warehouse:
        import_labels(warehouse.engine, labels)


def ask_the_analysts_question(demo: Demo) -> tuple[str, ResultSet]:
    """Ask one of the ready-made questions; returns it in words and in SQL, and the answer."""
    with open_warehouse(demo.settings.warehouse, read_only=True) as warehouse:
        question = questions(warehouse.engine.dialect.name)[QUERY]
        return f"-- {question.sentence}\n{question.statement}", ask(warehouse.engine, question, {})


def _tasks(seed: int) -> Iterator[tuple[str, datetime | None]]:
    """Invent tasks of the last days; one in ten has no time of submission except the one in its ID."""
    chance = random.Random(seed)  # noqa: S311 - the tasks need no secure randomness
    now = datetime.now(UTC).replace(microsecond=0)
    for number in range(TASKS):
        submitted_at = now - timedelta(seconds=chance.randrange(DAYS * 86_400))
        task_id = (milliseconds(submitted_at) - ID_EPOCH_MS << ID_TIME_SHIFT) + number
        yield str(task_id), None if number % 10 == 0 else submitted_at

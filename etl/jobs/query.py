"""Answers a ready-made question from the warehouse, and from the pending table if the question reads it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from etl.database.clock import clock_of
from etl.error_codes import Code
from etl.errors import InputError
from etl.jobs.night import last_night, night_at
from etl.jobs.opening import open_queue, open_warehouse
from etl.settings.load import Settings
from etl.source.overview import states
from etl.times.night import Night
from etl.warehouse.read.questions import Question, ResultSet, ask, questions

if TYPE_CHECKING:
    import polars as pl

ReadValues = Callable[[Question, datetime, Night], Mapping[str, object]]
"""Makes a value for each parameter of a question at an aware instant, after the last night, whose zone days have."""


def answer(settings: Settings, name: str, read_values: ReadValues) -> ResultSet:
    """Answer a question.

    Args:
        settings: the databases.
        name: the name of a question.
        read_values: makes the values by the clock and the calendar of the warehouse.

    Raises:
        InputError: a parameter is wrong, or the question reads the job's own queue and there is none.
    """
    queue = _queue(settings) if questions("common")[name].reads_queue else None
    with open_warehouse(settings.warehouse, read_only=True) as warehouse:
        question = questions(warehouse.engine.dialect.name)[name]
        now = clock_of(warehouse.engine)()
        values = read_values(question, now, last_night(warehouse.engine) or night_at(warehouse.engine, now))
        return ask(warehouse.engine, question, values, queue=queue)


def _queue(settings: Settings) -> "pl.DataFrame":
    if settings.source.mode != "queue":
        raise InputError(
            "This question compares the job's own queue with the facts, and the pending table is your own "
            "(source.mode is read_only).",
            code=Code.QUESTION_NEEDS_QUEUE,
            remedy="Ask v_task_status beside your table instead.",
        )
    with open_queue(settings.source) as (engine, table):
        return states(engine, table)

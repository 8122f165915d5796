"""Answers a ready-made question from the warehouse, and from the pending table if the question reads it."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta, timezone

from etl.database.clock import clock_of, system_clock
from etl.database.engines.base import Rows
from etl.error_codes import Code
from etl.errors import InputError
from etl.jobs.night import last_night, night_at
from etl.jobs.opening import open_queue, open_warehouse
from etl.jobs.parameters import read_parameters
from etl.settings.load import Settings
from etl.source.overview import states
from etl.times.night import night_of
from etl.warehouse.read.questions import Question, ResultSet, ask, questions

WESTERNMOST, EASTERNMOST = timezone(timedelta(hours=-12)), timezone(timedelta(hours=14))


def check_parameters(question: Question, given: Mapping[str, str]) -> None:
    """Refuse what is wrong in every time zone, before a database is opened and so before the zone is known.

    Raises:
        InputError: a parameter is wrong.
    """
    now = system_clock()
    with suppress(InputError):
        read_parameters(question, given, now=now, last_night=night_of(now, EASTERNMOST))
        return
    read_parameters(question, given, now=now, last_night=night_of(now, WESTERNMOST))


def answer(settings: Settings, name: str, given: Mapping[str, str], *, max_rows: int | None = None) -> ResultSet:
    """Answer a question by the clock and the calendar of the warehouse.

    Args:
        settings: the databases.
        name: the name of a question.
        given: the values that the user gives, by the names of the parameters.
        max_rows: the rows to read, at most; None: all.

    Raises:
        InputError: a parameter is wrong, or the question reads the job's own queue and there is none.
    """
    queue = _queue(settings) if questions("common")[name].reads_queue else None
    with open_warehouse(settings.warehouse, read_only=True) as warehouse:
        engine = warehouse.engine
        question, now = questions(engine.dialect.name)[name], clock_of(engine)()
        values = read_parameters(question, given, now=now, last_night=last_night(engine) or night_at(engine, now))
        return ask(engine, question, values, queue=queue, max_rows=max_rows)


def _queue(settings: Settings) -> Rows:
    if settings.source.mode != "queue":
        raise InputError(
            "This question compares the job's own queue with the facts, and the pending table is your own "
            "(source.mode is read_only).",
            code=Code.QUESTION_NEEDS_QUEUE,
            remedy="Ask v_task_status beside your table instead.",
        )
    with open_queue(settings.source, read_only=True) as (engine, table):
        return states(engine, table)

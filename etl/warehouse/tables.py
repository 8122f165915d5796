"""The tables of the warehouse after the newest migration, and the meaning of each column.

``task-audit init`` writes the comments into the database, and ``make reference`` into docs/reference/dictionary.md. A
test compares the tables with a migrated database.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, get_args

from sqlalchemy import BigInteger, Boolean, Column, Date, Double, Index, Integer, MetaData, Table, Text
from sqlalchemy.types import TypeEngine

from etl.database.types import KeyText, UtcDateTime
from etl.runs import AuditRun, RunMessageKind
from etl.tasks.detail import FIELDS, Kind
from etl.tasks.failure_reasons import FailureReason
from etl.warehouse.limits import MAX_COUNTER_CHARACTERS, MAX_KEY_CHARACTERS, MAX_RUN_ID_CHARACTERS, MAX_WORDS_CHARACTERS
from etl.warehouse.text import ForeignText

METADATA = MetaData()

KEY, RUN_ID, WORDS = KeyText(MAX_KEY_CHARACTERS), KeyText(MAX_RUN_ID_CHARACTERS), ForeignText(MAX_WORDS_CHARACTERS)

SQL_TYPES: dict[Kind, TypeEngine[Any]] = {
    Kind.ID: KEY,
    Kind.TEXT: Text(),
    Kind.CODE: KEY,
    Kind.NUMBER: BigInteger(),
    Kind.TIME: UtcDateTime(),
}


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def described() -> list[Column[Any]]:
    """Make the columns that describe a task: those of a fact, and of the staging table before it."""
    return [
        Column(
            field.name,
            SQL_TYPES[field.kind],
            primary_key=field.kind is Kind.ID,
            nullable=field.is_nullable,
            comment=field.meaning,
        )
        for field in FIELDS
    ]


fact_task_status = Table(
    "fact_task_status",
    METADATA,
    *described(),
    Column("first_seen_at", UtcDateTime, nullable=False, comment="When a run first saw the task."),
    Column(
        "status_changed_at",
        UtcDateTime,
        nullable=False,
        comment="When a run first saw the current status and result code.",
    ),
    Column(
        "last_checked_at",
        UtcDateTime,
        nullable=False,
        comment="When a run last asked about the task; a repeated answer about a finished task does not count.",
    ),
    Column("run_id", RUN_ID, nullable=False, comment="The run that wrote this version of the row; see audit_run."),
    comment="One row per task with its last known state: an accumulating snapshot.",
)

fact_task_status_change = Table(
    "fact_task_status_change",
    METADATA,
    Column("task_id", KEY, primary_key=True, comment="The task; see fact_task_status."),
    Column("observed_at", UtcDateTime, primary_key=True, comment="When a run first saw the task in this state."),
    Column("previous_status", BigInteger, comment="The status before. Null: no run had seen the task before."),
    Column("status", BigInteger, nullable=False, comment="The status from then on; see dim_task_status."),
    Column("previous_result_code", KEY, comment="The result code before. Null: there was none."),
    Column("result_code", KEY, comment="The result code from then on; see dim_result_code. Null: there is none."),
    Column("run_id", RUN_ID, nullable=False, comment="The run that saw the change; see audit_run."),
    # Questions about one night need few of the changes of many years. DuckDB has no such index.
    Index("fact_task_status_change_observed_at", "observed_at"),
    comment="One row per observed change of a task's status or result code.",
)

dim_task_status = Table(
    "dim_task_status",
    METADATA,
    Column("status", BigInteger, primary_key=True, autoincrement=False, comment="The number that KooDrive uses."),
    Column(
        "status_name",
        Text,
        nullable=False,
        comment="The name; UNKNOWN(7) for a number that KooDrive does not document.",
    ),
    Column(
        "is_terminal",
        Boolean,
        nullable=False,
        comment="Whether a task with this status has ended; an unknown status is not terminal.",
    ),
    Column("description", Text, comment="The meaning of the status."),
    comment="The names of task statuses, 10,000 at most: the documented ones, and other numbers that runs have seen.",
)

dim_task_type = Table(
    "dim_task_type",
    METADATA,
    Column("task_type", BigInteger, primary_key=True, autoincrement=False, comment="The number that KooDrive uses."),
    Column("task_type_name", Text, nullable=False, comment="The name; UNKNOWN(7) until your labels name it."),
    Column("description", Text, comment="The documented meaning."),
    Column("category", Text, comment="The group that your labels put it in."),
    Column("action", Text, comment="The action that your labels advise."),
    comment="The names of task types, 10,000 at most: the documented ones, and others that runs have seen.",
)

dim_result_code = Table(
    "dim_result_code",
    METADATA,
    Column("result_code", KEY, primary_key=True, comment="The code as text, exactly as KooDrive sent it."),
    Column("title", Text, comment="The title that your labels give it. Null: your labels do not explain it."),
    Column("category", Text, comment="The group that your labels put it in."),
    Column("action", Text, comment="The action that your labels advise."),
    Column("is_documented", Boolean, nullable=False, comment="Whether your labels explain it."),
    Column("first_seen_at", UtcDateTime, nullable=False, comment="When a run first saw the code."),
    comment="The result codes that runs have seen, 10,000 at most. You label them.",
)

dim_tenant = Table(
    "dim_tenant",
    METADATA,
    Column("tenant_id", KEY, primary_key=True, comment="The ID of the organisation, exactly as KooDrive sent it."),
    Column("tenant_name", Text, comment="The name that your labels give it. Null: your labels do not name it."),
    Column("category", Text, comment="The group that your labels put it in."),
    Column("action", Text, comment="The action that your labels advise."),
    comment="The organisations that runs have seen, 10,000 at most. You name them.",
)

dim_day = Table(
    "dim_day",
    METADATA,
    Column("day_on", Date, primary_key=True, comment="The day."),
    Column("begins_at", UtcDateTime, nullable=False, comment="The first instant of the day."),
    Column("ends_at", UtcDateTime, nullable=False, comment="The first instant after the day."),
    Column("hours", Double, nullable=False, comment="The hours of the day; 23 or 25 if the clocks change."),
    Column("weekday", BigInteger, nullable=False, comment="The day of the week, from 1 for Monday to 7 for Sunday."),
    Column("weekday_name", Text, nullable=False, comment="The English name of the day of the week."),
    Column("week_begins_on", Date, nullable=False, comment="The Monday of the week."),
    Column("iso_week", Text, nullable=False, comment="The ISO week, such as 2026-W45."),
    Column("month", Text, nullable=False, comment="The month, such as 2026-11."),
    Column(
        "time_zone", Text, nullable=False, comment="The time zone of all rows, warehouse.time_zone of the settings."
    ),
    comment="The calendar: a row for each day from 2018 to 2040, with or without tasks.",
)

dead_letter = Table(
    "dead_letter",
    METADATA,
    Column(
        "task_id",
        ForeignText(MAX_KEY_CHARACTERS),
        primary_key=True,
        comment="The text in the pending table, which may be an invalid ID.",
    ),
    Column(
        "reason",
        Text,
        nullable=False,
        comment=f"The reason: {_listed([reason for reason in FailureReason if reason.recovery.is_lasting])}.",
    ),
    Column("http_status", Integer, comment="The HTTP status of the last answer. Null: there was no answer."),
    Column("error_code", WORDS, comment="The error code in the last answer."),
    Column(
        "detail", WORDS, nullable=False, comment="A description of the failure, cut to a limit and without secrets."
    ),
    Column("trace_id", WORDS, comment="The X-Traceid of the last request, by which KooDrive's support finds it."),
    Column(
        "attempts",
        Integer,
        nullable=False,
        comment="The number of runs that have tried; 0 if the next run tries again.",
    ),
    Column("first_failed_at", UtcDateTime, nullable=False, comment="When the task first became a dead letter."),
    Column("last_failed_at", UtcDateTime, nullable=False, comment="When the task last failed."),
    Column("resolved_at", UtcDateTime, comment="When an audit or a discard settled the dead letter. Null: it is open."),
    Column("run_id", RUN_ID, nullable=False, comment="The run that failed last; see audit_run."),
    comment="One row per task that no run could audit. The job deletes none.",
)

RUN_COLUMNS = {
    column.name: column
    for column in (
        Column("run_id", RUN_ID, primary_key=True, comment="A UUIDv7, so that runs sort by their start."),
        Column("started_at", UtcDateTime, nullable=False, comment="When the run started."),
        Column("finished_at", UtcDateTime, comment="When the run ended. Null: it is in progress, or was killed."),
        Column(
            "outcome",
            Text,
            nullable=False,
            comment="The outcome in one word: succeeded, or the kind of failure; running until the end.",
        ),
        Column("exit_code", Integer, comment="The exit code. Null: the run is in progress, or was killed."),
        Column(
            "since",
            UtcDateTime,
            comment="The start of the requested range of submission, inclusive. Null: from the first task.",
        ),
        Column("until", UtcDateTime, comment="The end of that range, exclusive. Null: to the last task."),
        Column(
            "max_rate",
            Double,
            nullable=False,
            comment="The allowed rate in requests per second; 0 for a replay, which sends no request.",
        ),
        Column("version", Text, nullable=False, comment="The version of the program."),
        Column("host", WORDS, nullable=False, comment="The machine of the run."),
        Column("error", WORDS, comment="The error that ended the run early, with its remedy. Null: no error did."),
    )
}
"""The columns of ``audit_run`` that are no counts."""


def _run_columns() -> list[Column[Any]]:
    """Make one column for each field of a run; a field without a column above is a count.

    A count that was added to an existing table is ``int | None``: the rows of earlier runs do not have it.
    """
    return [
        RUN_COLUMNS[field.name]
        if field.name in RUN_COLUMNS
        else Column(field.name, BigInteger, nullable=field.type is not int, comment=field.metadata["meaning"])
        for field in fields(AuditRun)
    ]


audit_run = Table(
    "audit_run",
    METADATA,
    *_run_columns(),
    comment="One row per run. claimed = audited + dead_lettered + released, and audited = changed + unchanged.",
)

audit_run_counter = Table(
    "audit_run_counter",
    METADATA,
    Column("run_id", RUN_ID, primary_key=True, comment="The run; see audit_run."),
    Column(
        "counter",
        KeyText(MAX_COUNTER_CHARACTERS),
        primary_key=True,
        comment="The kind of counter: outcome, http_status, request, drift, pace or log.",
    ),
    Column(
        "name",
        ForeignText(MAX_KEY_CHARACTERS),
        primary_key=True,
        comment="The counted thing, such as the HTTP status 429.",
    ),
    Column("number", BigInteger, nullable=False, comment="The count; for pace, requests per minute."),
    comment="The details behind a run's numbers, and the differences of KooDrive's answers from its documentation.",
)

notification = Table(
    "notification",
    METADATA,
    Column(
        "run_id",
        RUN_ID,
        primary_key=True,
        comment="The run that the message is about; for a digest, the first run of the night.",
    ),
    Column(
        "kind",
        KeyText(MAX_COUNTER_CHARACTERS),
        primary_key=True,
        comment=f"The kind of message: {_listed(get_args(RunMessageKind))}.",
    ),
    Column(
        "exit_code",
        Integer,
        nullable=False,
        comment="The exit code of the run; for a digest, of the run that ended last.",
    ),
    Column("host", WORDS, nullable=False, comment="The machine or pod of the run."),
    Column("text", WORDS, nullable=False, comment="The text of the message."),
    Column("created_at", UtcDateTime, nullable=False, comment="When the run wrote the message."),
    Column("attempts", Integer, nullable=False, comment="The number of attempts to send it."),
    Column("claimed_by", RUN_ID, comment="The process that is sending it. Null: none."),
    Column("claimed_until", UtcDateTime, comment="When other processes may send it again."),
    Column("last_error", WORDS, comment="The error of the last attempt."),
    Column("sent_at", UtcDateTime, comment="When the webhook accepted it. Null: not yet."),
    comment="Messages about runs for the webhook. The job keeps them after sending.",
)

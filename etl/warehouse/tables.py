"""The warehouse's tables, as the newest migration leaves them, and what each column means. A test compares the two.

The comments are written into the database by ``task-audit init``, and into docs/reference/dictionary.md.
"""

from dataclasses import fields
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, MetaData, Table, Text
from sqlalchemy.types import TypeEngine

from etl.database.types import KeyText, UtcDateTime
from etl.runs import AuditRun
from etl.task_detail import FIELDS, MAX_CODE_CHARACTERS, Kind
from etl.warehouse.text import ForeignText

METADATA = MetaData()

MAX_KEY_CHARACTERS = MAX_CODE_CHARACTERS
"""The length of a code, and of a dead letter's task ID, which may be any text of the pending table, at most."""

MAX_WORDS_CHARACTERS = 2_000
"""The length of an error's or a message's text, at most."""

MAX_RUN_ID_CHARACTERS = 100
"""The length of a run's ID, at most. A UUID has 36 characters."""

MAX_COUNTER_CHARACTERS = 50
"""The length of a counter's or a message's kind, at most."""

SQL_TYPES: dict[Kind, TypeEngine[Any]] = {
    Kind.ID: KeyText(MAX_KEY_CHARACTERS),
    Kind.TEXT: Text(),
    Kind.CODE: KeyText(MAX_KEY_CHARACTERS),
    Kind.NUMBER: BigInteger(),
    Kind.TIME: UtcDateTime(),
}


def _described() -> list[Column[Any]]:
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
    *_described(),
    Column("first_seen_at", UtcDateTime, nullable=False, comment="When a run first saw the task."),
    Column(
        "status_changed_at",
        UtcDateTime,
        nullable=False,
        comment="When a run first saw the status and result code that the row holds.",
    ),
    Column(
        "last_checked_at",
        UtcDateTime,
        nullable=False,
        comment="When KooDrive was asked for what the row holds; a repeated answer about a finished task is not noted.",
    ),
    Column(
        "run_id",
        KeyText(MAX_RUN_ID_CHARACTERS),
        nullable=False,
        comment="The run that wrote this version of the row; see audit_run.",
    ),
    comment="One row per task, as last known: an accumulating snapshot.",
)

fact_task_status_change = Table(
    "fact_task_status_change",
    METADATA,
    Column("task_id", KeyText(MAX_KEY_CHARACTERS), primary_key=True, comment="The task; see fact_task_status."),
    Column("observed_at", UtcDateTime, primary_key=True, comment="When the task was first seen so."),
    Column("previous_status", BigInteger, comment="The status before. Null: the task had not been seen before."),
    Column("status", BigInteger, nullable=False, comment="The status from then on; see dim_task_status."),
    Column(
        "previous_result_code",
        KeyText(MAX_KEY_CHARACTERS),
        comment="The result code before. Null: there was none.",
    ),
    Column(
        "result_code",
        KeyText(MAX_KEY_CHARACTERS),
        comment="The result code from then on; see dim_result_code. Null: there is none.",
    ),
    Column(
        "run_id",
        KeyText(MAX_RUN_ID_CHARACTERS),
        nullable=False,
        comment="The run that saw the change; see audit_run.",
    ),
    # By it the questions about a night find their rows among those of years.
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
        comment="Its name; UNKNOWN(7) for a number that KooDrive does not document.",
    ),
    Column(
        "is_terminal",
        Boolean,
        nullable=False,
        comment="Whether a task that stands so has ended; never for an unknown status.",
    ),
    Column("description", Text, comment="What it means."),
    comment="The words for a task's status: what KooDrive documents, and every other number met.",
)

dim_task_type = Table(
    "dim_task_type",
    METADATA,
    Column("task_type", BigInteger, primary_key=True, autoincrement=False, comment="The number that KooDrive uses."),
    Column("task_type_name", Text, nullable=False, comment="Its name; UNKNOWN(7) until somebody names it."),
    Column("description", Text, comment="What it means, as documented."),
    Column("category", Text, comment="The group that your labels put it in."),
    Column("action", Text, comment="What your labels say is to be done about it."),
    comment="The words for a task's type: documented ones, and every other number met. Labels are yours to fill in.",
)

dim_result_code = Table(
    "dim_result_code",
    METADATA,
    Column(
        "result_code",
        KeyText(MAX_KEY_CHARACTERS),
        primary_key=True,
        comment="The code, as text, exactly as it came.",
    ),
    Column("title", Text, comment="What your labels call it. Null: nobody has explained it yet."),
    Column("category", Text, comment="The group that your labels put it in."),
    Column("action", Text, comment="What your labels say is to be done about it."),
    Column("is_documented", Boolean, nullable=False, comment="Whether somebody has explained it."),
    Column("first_seen_at", UtcDateTime, nullable=False, comment="When a run first met it."),
    comment="Every result code ever met. Labels are yours to fill in.",
)

dead_letter = Table(
    "dead_letter",
    METADATA,
    Column(
        "task_id",
        ForeignText(MAX_KEY_CHARACTERS),
        primary_key=True,
        comment="What stood in the pending table; it may be no ID at all.",
    ),
    Column(
        "reason",
        Text,
        nullable=False,
        comment="Why: not_found, forbidden, bad_payload, too_large, invalid_id, rejected or exhausted.",
    ),
    Column("http_status", Integer, comment="The HTTP status of the last answer. Null: there was no answer."),
    Column("error_code", ForeignText(MAX_WORDS_CHARACTERS), comment="The error code that the last answer named."),
    Column(
        "detail",
        ForeignText(MAX_WORDS_CHARACTERS),
        nullable=False,
        comment="What happened, in words; cut, and without secrets.",
    ),
    Column(
        "trace_id",
        ForeignText(MAX_WORDS_CHARACTERS),
        comment="The X-Traceid of the last request, by which KooDrive's support finds it.",
    ),
    Column("attempts", Integer, nullable=False, comment="How many runs have tried."),
    Column("first_failed_at", UtcDateTime, nullable=False, comment="When it first became a dead letter."),
    Column("last_failed_at", UtcDateTime, nullable=False, comment="When it last did."),
    Column("resolved_at", UtcDateTime, comment="When it was settled after all. Null: it is open."),
    Column(
        "run_id",
        KeyText(MAX_RUN_ID_CHARACTERS),
        nullable=False,
        comment="The run that failed last; see audit_run.",
    ),
    comment="One row per task that could not be audited. Never deleted.",
)

RUN_COLUMNS = {
    column.name: column
    for column in (
        Column(
            "run_id",
            KeyText(MAX_RUN_ID_CHARACTERS),
            primary_key=True,
            comment="A UUIDv7, so that runs sort by their start.",
        ),
        Column("started_at", UtcDateTime, nullable=False, comment="When the run started."),
        Column("finished_at", UtcDateTime, comment="When it ended. Null: it is under way, or was killed."),
        Column(
            "outcome",
            Text,
            nullable=False,
            comment="How it ended, in a word: succeeded, or why not; running until then.",
        ),
        Column("exit_code", Integer, comment="The exit code. Null: it is under way, or was killed."),
        Column(
            "since",
            UtcDateTime,
            comment="The beginning of the range of submission that was asked for, included. Null: from the first task.",
        ),
        Column("until", UtcDateTime, comment="The end of that range, not included. Null: to the last task."),
        Column(
            "max_rate",
            Double,
            nullable=False,
            comment="The rate that was allowed, in requests per second; 0 for a replay, which asks nobody.",
        ),
        Column("version", Text, nullable=False, comment="The version of the program."),
        Column("host", ForeignText(MAX_WORDS_CHARACTERS), nullable=False, comment="The machine that it ran on."),
        Column(
            "error",
            ForeignText(MAX_WORDS_CHARACTERS),
            comment="What ended the run early, with the remedy. Null: nothing did.",
        ),
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
    Column("run_id", KeyText(MAX_RUN_ID_CHARACTERS), primary_key=True, comment="The run; see audit_run."),
    Column(
        "counter",
        KeyText(MAX_COUNTER_CHARACTERS),
        primary_key=True,
        comment="What is counted: outcome, http_status, request, drift or pace.",
    ),
    Column(
        "name",
        ForeignText(MAX_KEY_CHARACTERS),
        primary_key=True,
        comment="Which of them, such as the HTTP status 429.",
    ),
    Column("number", BigInteger, nullable=False, comment="How many; for pace, requests per minute."),
    comment="What a run's numbers are made of, and where KooDrive's answers drifted from its documentation.",
)

notification = Table(
    "notification",
    METADATA,
    Column("run_id", KeyText(MAX_RUN_ID_CHARACTERS), primary_key=True, comment="The run that the message is about."),
    Column(
        "kind",
        KeyText(MAX_COUNTER_CHARACTERS),
        primary_key=True,
        comment="What it tells: failed, dead_letters, nothing_audited or new_result_codes.",
    ),
    Column("exit_code", Integer, nullable=False, comment="The exit code of the run."),
    Column(
        "host", ForeignText(MAX_WORDS_CHARACTERS), nullable=False, comment="The machine or pod that the run was on."
    ),
    Column("text", ForeignText(MAX_WORDS_CHARACTERS), nullable=False, comment="What the message says."),
    Column("created_at", UtcDateTime, nullable=False, comment="When the message was written."),
    Column("attempts", Integer, nullable=False, comment="How often somebody has taken it to send it."),
    Column("claimed_by", KeyText(MAX_RUN_ID_CHARACTERS), comment="Who is sending it; null: nobody."),
    Column("claimed_until", UtcDateTime, comment="Until when nobody else may send it."),
    Column("last_error", ForeignText(MAX_WORDS_CHARACTERS), comment="Why the webhook has not taken it."),
    Column("sent_at", UtcDateTime, comment="When the webhook took it; null: not yet."),
    comment="Messages about runs for the webhook, which are kept when they are sent.",
)

stage_facts = Table(
    "stage_facts",
    MetaData(),
    *_described(),
    Column("observed_at", UtcDateTime, nullable=False),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DELETE ROWS",
)
"""The staging table of one batch: the normalized rows, one per task. DuckDB reads them where they are instead."""

queue_state = Table(
    "queue_state",
    MetaData(),
    Column("task_id", KeyText(MAX_KEY_CHARACTERS), primary_key=True),
    Column("state", Text, nullable=False),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DELETE ROWS",
)
"""The pending table as it stands, beside the warehouse for one question."""

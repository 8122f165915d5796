"""The warehouse's tables, as the newest migration leaves them. A test compares the two."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Double, Integer, MetaData, Table, Text

from etl.database.types import KeyText, UtcDateTime
from etl.warehouse.text import ForeignText

METADATA = MetaData()

MAX_KEY_CHARACTERS = 500
"""Of a code, and of a dead letter's task ID, which may be anything that stood in the pending table."""

MAX_WORDS_CHARACTERS = 2_000

MAX_RUN_ID_CHARACTERS = 100
"""Of a UUID there are 36."""

MAX_COUNTER_CHARACTERS = 50


def _described() -> list[Column[Any]]:
    """Make the columns that say what KooDrive says of a task: those of a fact, and of the staging table before it."""
    return [
        Column("task_id", KeyText(MAX_KEY_CHARACTERS), primary_key=True),
        Column("task_name", Text),
        Column("task_type", BigInteger),
        Column("tenant_id", Text),
        Column("user_id", Text),
        Column("status", BigInteger, nullable=False),
        Column("result_code", KeyText(MAX_KEY_CHARACTERS)),
        Column("response_code", KeyText(MAX_KEY_CHARACTERS)),
        Column("response_message", Text),
        Column("submitted_at", UtcDateTime),
        Column("submitted_at_source", Text, nullable=False),
    ]


fact_task_status = Table(
    "fact_task_status",
    METADATA,
    *_described(),
    Column("first_seen_at", UtcDateTime, nullable=False),
    Column("status_changed_at", UtcDateTime, nullable=False),
    Column("last_checked_at", UtcDateTime, nullable=False),
    Column("run_id", KeyText(MAX_RUN_ID_CHARACTERS), nullable=False),
)

fact_task_status_change = Table(
    "fact_task_status_change",
    METADATA,
    Column("task_id", KeyText(MAX_KEY_CHARACTERS), primary_key=True),
    Column("observed_at", UtcDateTime, primary_key=True),
    Column("previous_status", BigInteger),
    Column("status", BigInteger, nullable=False),
    Column("previous_result_code", KeyText(MAX_KEY_CHARACTERS)),
    Column("result_code", KeyText(MAX_KEY_CHARACTERS)),
    Column("run_id", KeyText(MAX_RUN_ID_CHARACTERS), nullable=False),
)

dim_task_status = Table(
    "dim_task_status",
    METADATA,
    Column("status", BigInteger, primary_key=True, autoincrement=False),
    Column("status_name", Text, nullable=False),
    Column("is_terminal", Boolean, nullable=False),
    Column("description", Text),
)

dim_task_type = Table(
    "dim_task_type",
    METADATA,
    Column("task_type", BigInteger, primary_key=True, autoincrement=False),
    Column("task_type_name", Text, nullable=False),
    Column("description", Text),
    Column("category", Text),
    Column("action", Text),
)

dim_result_code = Table(
    "dim_result_code",
    METADATA,
    Column("result_code", KeyText(MAX_KEY_CHARACTERS), primary_key=True),
    Column("title", Text),
    Column("category", Text),
    Column("action", Text),
    Column("is_documented", Boolean, nullable=False),
    Column("first_seen_at", UtcDateTime, nullable=False),
)

dead_letter = Table(
    "dead_letter",
    METADATA,
    Column("task_id", ForeignText(MAX_KEY_CHARACTERS), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("http_status", Integer),
    Column("error_code", ForeignText(MAX_WORDS_CHARACTERS)),
    Column("detail", ForeignText(MAX_WORDS_CHARACTERS), nullable=False),
    Column("trace_id", ForeignText(MAX_WORDS_CHARACTERS)),
    Column("attempts", Integer, nullable=False),
    Column("first_failed_at", UtcDateTime, nullable=False),
    Column("last_failed_at", UtcDateTime, nullable=False),
    Column("resolved_at", UtcDateTime),
    Column("run_id", KeyText(MAX_RUN_ID_CHARACTERS), nullable=False),
)

audit_run = Table(
    "audit_run",
    METADATA,
    Column("run_id", KeyText(MAX_RUN_ID_CHARACTERS), primary_key=True),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("outcome", Text, nullable=False),
    Column("exit_code", Integer),
    Column("since", UtcDateTime),
    Column("until", UtcDateTime),
    Column("claimed", BigInteger, nullable=False),
    Column("audited", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False),
    Column("unchanged", BigInteger, nullable=False),
    Column("still_open", BigInteger, nullable=False),
    Column("dead_lettered", BigInteger, nullable=False),
    Column("released", BigInteger, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("retries", BigInteger, nullable=False),
    Column("throttled", BigInteger, nullable=False),
    Column("max_rate", Double, nullable=False),
    Column("version", Text, nullable=False),
    Column("host", ForeignText(MAX_WORDS_CHARACTERS), nullable=False),
    Column("error", ForeignText(MAX_WORDS_CHARACTERS)),
)

audit_run_counter = Table(
    "audit_run_counter",
    METADATA,
    Column("run_id", KeyText(MAX_RUN_ID_CHARACTERS), primary_key=True),
    Column("counter", KeyText(MAX_COUNTER_CHARACTERS), primary_key=True),
    Column("name", ForeignText(MAX_KEY_CHARACTERS), primary_key=True),
    Column("number", BigInteger, nullable=False),
)

notification = Table(
    "notification",
    METADATA,
    Column("run_id", KeyText(MAX_RUN_ID_CHARACTERS), primary_key=True),
    Column("kind", KeyText(MAX_COUNTER_CHARACTERS), primary_key=True),
    Column("exit_code", Integer, nullable=False),
    Column("host", ForeignText(MAX_WORDS_CHARACTERS), nullable=False),
    Column("text", ForeignText(MAX_WORDS_CHARACTERS), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("claimed_by", KeyText(MAX_RUN_ID_CHARACTERS)),
    Column("claimed_until", UtcDateTime),
    Column("last_error", ForeignText(MAX_WORDS_CHARACTERS)),
    Column("sent_at", UtcDateTime),
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

"""Turns observations into fact rows: pure polars, an explicit schema on the way in and on the way out.

What a field means is settled here, not whether an answer may be believed: that was decided where it was read.
"""

from collections.abc import Sequence

import polars as pl

from etl.redaction import MASK
from etl.tasks import ID_EPOCH_MS, ID_TIME_SHIFT, Observation

INSTANT = pl.Datetime("us", "UTC")

RAW = pl.Schema(
    {
        "task_id": pl.String(),
        "task_name": pl.String(),
        "task_type": pl.String(),
        "tenant_id": pl.String(),
        "user_id": pl.String(),
        "status": pl.String(),
        "result_code": pl.String(),
        "response_code": pl.String(),
        "response_message": pl.String(),
        "queue_submitted_at": INSTANT,
        "observed_at": INSTANT,
    }
)
"""Observations as they came: every field that the API types in two ways is text."""

MAX_CODE_CHARACTERS = 500
"""Of a code, which is a key in the warehouse; no engine's index takes one of any length."""

FACTS = pl.Schema(
    {
        "task_id": pl.String(),
        "task_name": pl.String(),
        "task_type": pl.Int64(),
        "tenant_id": pl.String(),
        "user_id": pl.String(),
        "status": pl.Int64(),
        "result_code": pl.String(),
        "response_code": pl.String(),
        "response_message": pl.String(),
        "submitted_at": INSTANT,
        "submitted_at_source": pl.String(),
        "observed_at": INSTANT,
    }
)
"""One row per task, as last observed, ordered by task ID."""


WORDS = ("task_name", "tenant_id", "user_id", "result_code", "response_code", "response_message")
"""Columns that may hold any text of the API's."""


def normalize(observations: Sequence[Observation], *, secrets: Sequence[str] = ()) -> pl.DataFrame:
    """Make one fact row of each observed task, the newest where it was observed more than once.

    Args:
        observations: answers about tasks with valid IDs, in any order.
        secrets: texts that no fact may hold, in whatever form they might appear, longer ones first.

    Returns:
        A frame of schema ``FACTS``.
    """
    return (
        raw_frame(observations)
        .pipe(_newest_of_each_task)
        .with_columns(pl.col(WORDS).str.replace_many(dict.fromkeys(secrets, MASK), leftmost=True))
        .pipe(_with_storable_text)
        .with_columns(pl.col("status", "task_type").str.strip_chars().cast(pl.Int64))
        # Absent and empty are the same: no code was sent.
        .with_columns(pl.col("result_code", "response_code").str.head(MAX_CODE_CHARACTERS).replace("", None))
        .pipe(_with_submission)
        .select(FACTS.names())
        .match_to_schema(FACTS)
    )


def raw_frame(observations: Sequence[Observation]) -> pl.DataFrame:
    """Lay observations out in columns, numbers as text."""
    details = [observation.detail for observation in observations]
    columns = {
        "task_id": [observation.task.task_id for observation in observations],
        "queue_submitted_at": [observation.task.submitted_at for observation in observations],
        "observed_at": [observation.observed_at for observation in observations],
        **{name: [_text(getattr(detail, name)) for detail in details] for name in RAW if name in _DETAIL_FIELDS},
    }
    return pl.DataFrame({name: columns[name] for name in RAW}, schema=RAW)


_DETAIL_FIELDS = frozenset(RAW) - {"task_id", "queue_submitted_at", "observed_at"}


def _text(value: int | str | None) -> str | None:
    return str(value) if isinstance(value, int) else value


def _newest_of_each_task(raw: pl.DataFrame) -> pl.DataFrame:
    # Sorting by every column makes the result the same for every order of the input.
    rest = sorted(set(RAW) - {"task_id", "observed_at"})
    return raw.sort(["task_id", "observed_at", *rest]).unique("task_id", keep="last", maintain_order=True)


def _with_storable_text(raw: pl.DataFrame) -> pl.DataFrame:
    """Replace NUL, the one character that PostgreSQL cannot store."""
    return raw.with_columns(pl.col(pl.String).str.replace_all("\0", "\N{REPLACEMENT CHARACTER}", literal=True))


def _with_submission(raw: pl.DataFrame) -> pl.DataFrame:
    in_id = (pl.col("task_id").cast(pl.UInt64) // (1 << ID_TIME_SHIFT) + ID_EPOCH_MS).cast(pl.Int64)
    return raw.with_columns(
        submitted_at=pl.coalesce("queue_submitted_at", in_id.cast(pl.Datetime("ms", "UTC")).cast(INSTANT)),
        submitted_at_source=pl.when(pl.col("queue_submitted_at").is_null())
        .then(pl.lit("task_id"))
        .otherwise(pl.lit("queue")),
    )

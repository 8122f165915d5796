"""Turns observations into fact rows with polars. An explicit schema checks the rows on the way in and on the way out.

This module settles what a field means. ``etl.koodrive`` decides before whether a response can be believed.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial

import polars as pl

from etl.tasks import ID_EPOCH_MS, ID_TIME_SHIFT, Observation
from etl.tasks.detail import API_FIELDS, FIELDS, MAX_CODE_CHARACTERS, Kind

UTC_TIME = pl.Datetime("us", "UTC")

POLARS_TYPES: dict[Kind, pl.DataType] = {
    Kind.ID: pl.String(),
    Kind.TEXT: pl.String(),
    Kind.CODE: pl.String(),
    Kind.NUMBER: pl.Int64(),
    Kind.TIME: UTC_TIME,
}

RAW = pl.Schema(
    {field.name: pl.String() for field in API_FIELDS} | {"queue_submitted_at": UTC_TIME, "observed_at": UTC_TIME}
)
"""Observations before normalizing: every field of the API is text, since the API sends some as numbers or as text."""

FACTS = pl.Schema({field.name: POLARS_TYPES[field.kind] for field in FIELDS} | {"observed_at": UTC_TIME})
"""One row per task, as last observed, ordered by task ID."""

TEXTS = [field.name for field in API_FIELDS if field.kind in {Kind.TEXT, Kind.CODE}]
CODES = [field.name for field in API_FIELDS if field.kind is Kind.CODE]
NUMBERS = [field.name for field in API_FIELDS if field.kind is Kind.NUMBER]


def normalize(observations: Sequence[Observation], *, redact: Callable[[str], str] | None = None) -> pl.DataFrame:
    """Make one fact row of each observed task. The newest observation of a task counts.

    Args:
        observations: answers about tasks with valid IDs, in any order.
        redact: takes secrets out of a text; None if no answer can hold one.

    Returns:
        A frame of schema ``FACTS``.
    """
    return (
        raw_frame(observations, redact=redact)
        .pipe(_newest_of_each_task)
        .pipe(_with_storable_text)
        .with_columns(pl.col(NUMBERS).str.strip_chars().cast(pl.Int64))
        # An absent code and an empty code mean the same: KooDrive sent none.
        .with_columns(pl.col(CODES).str.head(MAX_CODE_CHARACTERS).replace("", None))
        .pipe(_with_submission)
        .select(FACTS.names())
        .match_to_schema(FACTS)
    )


def raw_frame(observations: Sequence[Observation], *, redact: Callable[[str], str] | None = None) -> pl.DataFrame:
    """Lay observations out in columns, numbers as text, and texts without secrets."""
    details = [observation.detail for observation in observations]
    columns: dict[str, list[object]] = {
        field.name: [_text(getattr(detail, field.name)) for detail in details]
        for field in API_FIELDS
        if field.kind is not Kind.ID
    }
    if redact is not None:
        # Many answers have the same tenant, user, code and message.
        columns |= {name: list(map(cache(partial(_redacted, redact)), columns[name])) for name in TEXTS}
    columns |= {
        "task_id": [observation.task.task_id for observation in observations],
        "queue_submitted_at": [observation.task.submitted_at for observation in observations],
        "observed_at": [observation.observed_at for observation in observations],
    }
    return pl.DataFrame({name: columns[name] for name in RAW}, schema=RAW)


def _text(value: int | str | None) -> str | None:
    return str(value) if isinstance(value, int) else value


def _redacted(redact: Callable[[str], str], text: object) -> str | None:
    return redact(text) if isinstance(text, str) else None


def _newest_of_each_task(raw: pl.DataFrame) -> pl.DataFrame:
    # Sorting by every column makes the result independent of the order of the input.
    rest = sorted(set(RAW) - {"task_id", "observed_at"})
    return raw.sort(["task_id", "observed_at", *rest]).unique("task_id", keep="last", maintain_order=True)


def _with_storable_text(raw: pl.DataFrame) -> pl.DataFrame:
    """Replace NUL, the one character that PostgreSQL cannot store."""
    return raw.with_columns(pl.col(pl.String).str.replace_all("\0", "\N{REPLACEMENT CHARACTER}", literal=True))


def _with_submission(raw: pl.DataFrame) -> pl.DataFrame:
    in_id = (pl.col("task_id").cast(pl.UInt64) // (1 << ID_TIME_SHIFT) + ID_EPOCH_MS).cast(pl.Int64)
    return raw.with_columns(
        submitted_at=pl.coalesce("queue_submitted_at", in_id.cast(pl.Datetime("ms", "UTC")).cast(UTC_TIME)),
        submitted_at_source=pl.when(pl.col("queue_submitted_at").is_null())
        .then(pl.lit("task_id"))
        .otherwise(pl.lit("queue")),
    )

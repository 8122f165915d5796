"""Archive rows from outcomes: an accepted answer, unchanged, or the reason of a dead letter. Pure."""

from collections.abc import Sequence

import polars as pl

from etl.tasks import FetchFailure, Observation, Outcome

TIMESTAMP = pl.Datetime("us", "UTC")

ARCHIVE_SCHEMA = pl.Schema(
    {
        "task_id": pl.String(),
        "queue_submitted_at": TIMESTAMP,
        "observed_at": TIMESTAMP,
        "run_id": pl.String(),
        "trace_id": pl.String(),
        "http_status": pl.Int32(),
        "content_type": pl.String(),
        "body": pl.Binary(),
        "attempts": pl.Int32(),
        "reason": pl.String(),
        "error_code": pl.String(),
        "detail": pl.String(),
    }
)
"""An accepted answer has a body and no reason; a dead letter has a reason and no body.

``observed_at`` is the time of the request, or of the task's failure. ``queue_submitted_at`` is the time of submission
in the pending table.
"""


def archive_rows(outcomes: Sequence[Outcome], *, run_id: str) -> pl.DataFrame:
    """Make the rows of a batch: accepted answers and dead letters, but no passing failures.

    Args:
        outcomes: the outcomes of one batch; each observation keeps its answer.
        run_id: the run of the batch.

    Returns:
        A frame with the schema ``ARCHIVE_SCHEMA``.
    """
    rows = [
        _answer(outcome) if isinstance(outcome, Observation) else _dead_letter(outcome)
        for outcome in outcomes
        if isinstance(outcome, Observation) or outcome.is_lasting
    ]
    return pl.DataFrame(rows, schema=ARCHIVE_SCHEMA, orient="row").with_columns(run_id=pl.lit(run_id))


def _answer(observation: Observation) -> tuple[object, ...]:
    task, answer = observation.task, observation.answer
    if answer is None:
        raise ValueError(f"the answer about {task.task_id} was not kept")
    response = (answer.trace_id, answer.http_status, answer.content_type, answer.body)
    return (task.task_id, task.submitted_at, observation.observed_at, None, *response, task.attempts, None, None, None)


def _dead_letter(failure: FetchFailure) -> tuple[object, ...]:
    task = failure.task
    response = (failure.trace_id, failure.http_status, None, None)
    texts = (str(failure.reason), failure.error_code, failure.detail)
    # An invalid ID can be any text, even one with lone surrogates, which Parquet cannot store.
    task_id, *stored = (text and text.encode(errors="replace").decode() for text in (task.task_id, *texts))
    return (task_id, task.submitted_at, failure.failed_at, None, *response, task.attempts, *stored)

"""What the archive holds of one task's outcome: an accepted answer as it came, or why there will be none. Pure."""

from collections.abc import Sequence

import polars as pl

from etl.tasks import FetchFailure, Observation, Outcome

INSTANT = pl.Datetime("us", "UTC")

ROWS = pl.Schema(
    {
        "task_id": pl.String(),
        "queue_submitted_at": INSTANT,
        "observed_at": INSTANT,
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

``observed_at`` is when the question was sent, or when the task failed; ``queue_submitted_at`` what the pending table
says of its submission.
"""


def archive_rows(outcomes: Sequence[Outcome], *, run_id: str) -> pl.DataFrame:
    """Lay out what the archive keeps of a batch: accepted answers and dead letters, but no failures for now.

    Args:
        outcomes: of one batch; observations hold their answers.
        run_id: the run that learnt them.

    Returns:
        A frame of schema ``ROWS``.
    """
    rows = [
        _answer(outcome) if isinstance(outcome, Observation) else _dead_letter(outcome) for outcome in _last(outcomes)
    ]
    return pl.DataFrame(rows, schema=ROWS, orient="row").with_columns(run_id=pl.lit(run_id))


def _last(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if isinstance(outcome, Observation) or outcome.is_lasting]


def _answer(observation: Observation) -> tuple[object, ...]:
    task, answer = observation.task, observation.answer
    if answer is None:
        raise ValueError(f"the answer about {task.task_id} was not kept")
    told = (answer.trace_id, answer.http_status, answer.content_type, answer.body)
    return (task.task_id, task.submitted_at, observation.observed_at, None, *told, task.attempts, None, None, None)


def _dead_letter(failure: FetchFailure) -> tuple[object, ...]:
    task = failure.task
    told = (failure.trace_id, failure.http_status, None, None)
    words = (str(failure.reason), failure.error_code, failure.detail)
    # An ID that is none may be any text, halves of characters included, which Parquet cannot store.
    task_id, *words_stored = (text and text.encode(errors="replace").decode() for text in (task.task_id, *words))
    return (task_id, task.submitted_at, failure.failed_at, None, *told, task.attempts, *words_stored)

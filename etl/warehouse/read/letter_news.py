"""Counts the dead letters of a run or of a period: those that are new, and those that failed again."""

from dataclasses import dataclass

from sqlalchemy import Connection, case, func, select

from etl.warehouse.read.news import LETTERS_AND_RUNS, Period, failed_in, letters


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterNews:
    """The open dead letters with one reason that failed last in a period."""

    reason: str
    new: int
    """Those that had never failed before."""
    again: int
    """Those that had failed before, and an operator let runs try again."""


def letter_news(connection: Connection, period: Period) -> list[LetterNews]:
    """Count the open dead letters that failed last in a period, by reason, the most frequent first."""
    is_in = letters.run_id == period.run_id if period.run_id is not None else period.holds(failed_in)
    is_new = letters.first_failed_at >= period.start
    query = (
        select(
            letters.reason,
            func.count(case((is_new, 1))).label("new"),
            func.count(case((is_new, None), else_=1)).label("again"),
        )
        .select_from(LETTERS_AND_RUNS)
        .where(letters.resolved_at.is_(None), is_in)
        .group_by(letters.reason)
        .order_by(func.count().desc(), letters.reason)
    )
    return [LetterNews(**row) for row in connection.execute(query).mappings()]

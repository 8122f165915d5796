"""The conditions by which a run selects tasks."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement

from etl.tasks import Selection, milliseconds

Conditions = Callable[[datetime], Sequence[ColumnElement[bool]]]
"""The conditions of the rows to claim, at a given time."""


def within_range(position: ColumnElement[int], selection: Selection) -> list[ColumnElement[bool]]:
    """Compare submission times with a selection's half-open range."""
    conditions = []
    if selection.since is not None:
        conditions.append(position >= milliseconds(selection.since))
    if selection.until is not None:
        conditions.append(position < milliseconds(selection.until))
    if conditions:
        # 0 stands for an ID without a time, which belongs to no range.
        conditions.append(position != 0)
    return conditions

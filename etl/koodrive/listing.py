"""What a page of the task list means. Pure: a response in, a page or a failure out.

A page is accepted as a whole or not at all. Its tasks stand under ``taskList`` in the documentation's table and under
``taskListDtos`` in its example; a page with neither is malformed, not empty. The cursor is an opaque number
or text, and is sent back unchanged. Only a page without a cursor is the last one, however few tasks a page has.
"""

import re
from datetime import datetime
from typing import Any

import msgspec

from etl.koodrive.drift import MALFORMED, read_strictly
from etl.koodrive.error_responses import error_failure, malformed_failure, status_failure
from etl.koodrive.response import Response
from etl.koodrive.response_codes import SUCCESS_CODES
from etl.tasks import FetchFailure, PendingTask, is_storable_id
from etl.times import UnreadableTimeError, read_instant

LIST = PendingTask(task_id="list")
"""The task that a failure to read the list names: in a path, ``list`` takes the position of a task's ID."""

PAGE_SIZE = 100
"""The documented default, and the documented maximum."""

MAX_CURSOR_CHARACTERS = 255
"""The documented cursor has 13."""

ISO_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:Z|[+-]\d{2}:\d{2})?", re.ASCII)
WHOLE_NUMBER = re.compile(r"\d{1,9}", re.ASCII)


class ListedTask(msgspec.Struct, frozen=True):
    """A task as the list shows it."""

    task_id: str
    status: int | None
    """None if the list gives no status, or gives it in an undocumented form."""
    created_at: datetime | None
    """None if the list gives no time, or gives it in an undocumented form."""


class TaskPage(msgspec.Struct, frozen=True):
    """A page of the list."""

    tasks: tuple[ListedTask, ...]
    next_cursor: str | None
    """Requests the next page; None on the last page."""


class Record(msgspec.Struct, frozen=True, rename="camel"):
    """The fields of a listed task; all but the ID may be missing or of any type."""

    task_id: int | str
    status: Any = None
    create_time: Any = None


class PageBody(msgspec.Struct, frozen=True, rename="camel"):
    """The body of a 200, which may be an error instead of a page."""

    task_list: list[Record] | None = None
    task_list_dtos: list[Record] | None = None
    next_cursor: int | str | None = None
    code: int | str | None = None
    error_code: int | str | None = msgspec.field(default=None, name="error_code")


def list_query(*, status: int | None, cursor: str | None) -> list[tuple[str, str]]:
    """Write the query for a page.

    Args:
        status: the status of the wanted tasks; only one, since the query for several is not documented.
        cursor: the cursor of the page before; None stands for the first page.
    """
    query = [("pageSize", str(PAGE_SIZE))]
    if status is not None:
        query.append(("status", str(int(status))))
    if cursor is not None:
        query.append(("pageCursor", cursor))
    return query


def read_page(response: Response, *, now: datetime) -> TaskPage | FetchFailure:
    """Interpret the response to a request for a page.

    Raises:
        TaskAuditError: the error concerns every request, as in ``detail.interpret``.
    """
    if (failure := status_failure(response, LIST, now=now)) is not None:
        return failure
    try:
        body = msgspec.convert(read_strictly(response.body), PageBody)
        if body.error_code or body.code not in SUCCESS_CODES:
            return error_failure(response, LIST, now=now)
        return TaskPage(tuple(map(_task, _records(body))), _cursor(body.next_cursor))
    except MALFORMED as error:
        # A page that cannot be read makes no dead letter, so it does not matter which server sent it.
        return malformed_failure(response, LIST, error=error, now=now, is_own=True)


def _records(body: PageBody) -> list[Record]:
    found = [records for records in (body.task_list, body.task_list_dtos) if records is not None]
    if not found:
        raise ValueError("there is no list of tasks")
    if max(map(len, found)) > PAGE_SIZE:
        raise ValueError(f"the page has more than the {PAGE_SIZE} tasks that were asked for")
    if found[0] != found[-1]:
        raise ValueError("there are two lists of tasks, which differ")
    return found[0]


def _task(record: Record) -> ListedTask:
    task_id = str(record.task_id).strip()
    if not is_storable_id(task_id):
        raise ValueError("a task has no ID that a table could hold")
    return ListedTask(task_id, _status(record.status), _created_at(record.create_time))


def _status(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and WHOLE_NUMBER.fullmatch(value.strip()) else None


def _created_at(value: object) -> datetime | None:
    """Read a documented time; a time without a zone is in UTC."""
    if not isinstance(value, str) or not ISO_TIME.fullmatch(value):
        return None
    try:
        return read_instant(value)
    except UnreadableTimeError:
        return None


def _cursor(value: int | str | None) -> str | None:
    cursor = "" if value is None else str(value)
    if len(cursor) > MAX_CURSOR_CHARACTERS:
        raise ValueError(f"the cursor is longer than {MAX_CURSOR_CHARACTERS} characters")
    return cursor or None

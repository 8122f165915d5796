"""What a page of the task list means. Pure: a reply in, a page or a failure out.

A page is believed as a whole or not at all. Its tasks stand under ``taskList`` in the documentation's table and under
``taskListDtos`` in its example, and where neither is there, it is not empty but malformed. The cursor is opaque, a
number or text, and is handed back as it came; only a page without one is the last, however few tasks a page has.
"""

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from etl.koodrive.answers import SUCCESS_CODES, Reply, nonsense, refusal, said_error
from etl.koodrive.drift import MALFORMED, read_strictly
from etl.tasks import FetchFailure, PendingTask, is_storable_id

LIST = PendingTask(task_id="list")
"""What a failure to read the list is about: the list stands in the path where a task's ID does."""

PAGE_SIZE = 100
"""The documented default, and the most."""

MAX_CURSOR_CHARACTERS = 255
"""The documented one has 13."""

INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:Z|[+-]\d{2}:\d{2})?", re.ASCII)
WHOLE_NUMBER = re.compile(r"\d{1,9}", re.ASCII)


class ListedTask(msgspec.Struct, frozen=True):
    """A task as the list shows it."""

    task_id: str
    status: int | None
    """None: the list does not say, or in no way that is documented."""
    created_at: datetime | None
    """None: likewise."""


class TaskPage(msgspec.Struct, frozen=True):
    """A page of the list."""

    tasks: tuple[ListedTask, ...]
    next_cursor: str | None
    """What to ask for the next page with; None: this is the last."""


class Record(msgspec.Struct, frozen=True, rename="camel"):
    """What is read of a task in the list; all but the ID may be missing, or be anything."""

    task_id: int | str
    status: Any = None
    create_time: Any = None


class Answer(msgspec.Struct, frozen=True, rename="camel"):
    """A page that may be an error in disguise."""

    task_list: list[Record] | None = None
    task_list_dtos: list[Record] | None = None
    next_cursor: int | str | None = None
    code: int | str | None = None
    error_code: int | str | None = msgspec.field(default=None, name="error_code")


def list_query(*, status: int | None, cursor: str | None) -> list[tuple[str, str]]:
    """Write the query for a page.

    Args:
        status: of the tasks that are wanted; no more than one, since how to name several is not documented.
        cursor: of the page before; None asks for the first.
    """
    query = [("pageSize", str(PAGE_SIZE))]
    if status is not None:
        query.append(("status", str(int(status))))
    if cursor is not None:
        query.append(("pageCursor", cursor))
    return query


def read_page(reply: Reply, *, now: datetime) -> TaskPage | FetchFailure:
    """Say what a reply to the question for a page means.

    Raises:
        TaskAuditError: the API refuses us, whatever we ask, as in ``answers.interpret``.
    """
    if (failure := refusal(reply, LIST, now=now)) is not None:
        return failure
    try:
        answer = msgspec.convert(read_strictly(reply.body), Answer)
        if answer.error_code or answer.code not in SUCCESS_CODES:
            return said_error(reply, LIST, now=now)
        return TaskPage(tuple(map(_task, _records(answer))), _cursor(answer.next_cursor))
    except MALFORMED as error:
        return nonsense(reply, LIST, error, now=now)


def _records(answer: Answer) -> list[Record]:
    found = [records for records in (answer.task_list, answer.task_list_dtos) if records is not None]
    if not found:
        raise ValueError("there is no list of tasks")
    if found[0] != found[-1]:
        raise ValueError("there are two lists of tasks, which differ")
    return found[0]


def _task(record: Record) -> ListedTask:
    task_id = str(record.task_id).strip()
    if not is_storable_id(task_id):
        raise ValueError("a task has no ID that a table could hold")
    return ListedTask(task_id, _status(record.status), _instant(record.create_time))


def _status(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and WHOLE_NUMBER.fullmatch(value.strip()) else None


def _instant(value: object) -> datetime | None:
    """Read a documented time, which is in UTC where it names no zone."""
    if not isinstance(value, str) or not INSTANT.fullmatch(value):
        return None
    try:
        instant = datetime.fromisoformat(value)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _cursor(value: int | str | None) -> str | None:
    cursor = "" if value is None else str(value)
    if len(cursor) > MAX_CURSOR_CHARACTERS:
        raise ValueError("the cursor is longer than any")
    return cursor or None

"""The list endpoint with its documented quirks: the key ``taskListDtos``, a numeric cursor and short pages.

A page is a window of at most 100 known tasks, of which a filter keeps some. It may therefore be short or even empty;
only a missing ``nextCursor`` marks the end.
"""

from collections.abc import Mapping, Sequence

from etl.fake_api.world import StandInTask, World
from etl.tasks import ID_TIME_SHIFT, time_in_id

MAX_PAGE_SIZE = 100

FIRST_CURSOR_MS = 1_723_549_107_000
"""A cursor looks like the documented one: milliseconds of a whole second. A client must treat it as opaque."""


FIRST_TASK_ID = 1_534_087_020_903_704_704
"""The ID in the documented example."""

MINUTE = 60_000 << ID_TIME_SHIFT


def a_minute_apart(number: int) -> tuple[str, ...]:
    """Make the IDs of as many tasks."""
    return tuple(str(FIRST_TASK_ID + each * MINUTE) for each in range(number))


def list_page(world: World, known_task_ids: Sequence[str], *, query: Mapping[str, Sequence[str]]) -> dict[str, object]:
    """Return one page; ``query`` holds the decoded values of each parameter.

    Raises:
        ValueError: a parameter is not a number.
    """
    start = _position(query)
    end = start + min(_numbers(query, "pageSize", default=MAX_PAGE_SIZE)[0], MAX_PAGE_SIZE)
    statuses, types = _numbers(query, "status"), _numbers(query, "taskType")
    tasks = (world.task(task_id) for task_id in known_task_ids[start:end])
    records = [
        _record(task)
        for task in tasks
        if (not statuses or task.status in statuses) and (not types or task.task_type in types)
    ]
    more = {"nextCursor": FIRST_CURSOR_MS + end * 1000} if end < len(known_task_ids) else {}
    return {"taskListDtos": records, **more, "code": 0, "msg": "success"}


def _position(query: Mapping[str, Sequence[str]]) -> int:
    cursor = _numbers(query, "pageCursor", default=FIRST_CURSOR_MS)[0]
    return max(0, cursor - FIRST_CURSOR_MS) // 1000


def _numbers(query: Mapping[str, Sequence[str]], name: str, *, default: int | None = None) -> list[int]:
    """Read a parameter that may be repeated or contain commas; a name without a value counts as missing."""
    texts = [text for value in query.get(name, ()) for text in value.split(",") if text]
    return [int(text) for text in texts] or ([] if default is None else [default])


def _record(task: StandInTask) -> dict[str, object]:
    created_at = time_in_id(task.task_id).replace(microsecond=0)
    return {
        "taskId": task.task_id,
        "taskName": task.task_name,
        "taskType": task.task_type,
        "status": task.status,
        "createTime": created_at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    }

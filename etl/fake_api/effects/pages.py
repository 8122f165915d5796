"""Faults of the list: contradictory forms of a page, and lists without end."""

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from etl.fake_api.effects.drift import HOSTILE_TEXT
from etl.fake_api.effects.effect import Effect, StruckRequest, respond_with
from etl.fake_api.listing import FIRST_CURSOR_MS
from etl.fake_api.responses import json_response

Page = dict[str, Any]


def documented_key(page: Page) -> object:
    """Put the tasks under the name in the documentation's table."""
    return {"taskList" if name == "taskListDtos" else name: value for name, value in page.items()}


def without_list(page: Page) -> object:
    """Leave out the tasks and their name."""
    return {name: value for name, value in page.items() if name != "taskListDtos"}


def text_cursor(page: Page) -> object:
    """Put the cursor in quotes, as in the documentation's table."""
    return page | ({"nextCursor": str(page["nextCursor"])} if "nextCursor" in page else {})


def null_cursor(page: Page) -> object:
    """Set a cursor of null on the last page."""
    return {"nextCursor": None} | page


def empty_cursor(page: Page) -> object:
    """Set an empty cursor on the last page."""
    return {"nextCursor": ""} | page


def repeated_task(page: Page) -> object:
    """Repeat the last task on the next page, as may happen to tasks of the same second."""
    return page | ({"nextCursor": page["nextCursor"] - 1000} if "nextCursor" in page else {})


def same_cursor(page: Page) -> object:
    """Set the cursor of the second page on every page."""
    return page | {"nextCursor": FIRST_CURSOR_MS + 1000}


def without_times(page: Page) -> object:
    """Set creation times in an undocumented form."""
    return _with_each(page, lambda task: task | {"createTime": HOSTILE_TEXT})


def ids_as_numbers(page: Page) -> object:
    """Write the IDs as numbers."""
    return _with_each(page, lambda task: task | {"taskId": int(task["taskId"])})


def hostile_ids(page: Page) -> object:
    """Set IDs that an attacker could choose."""
    return _with_each(page, lambda task: task | {"taskId": HOSTILE_TEXT})


async def same_page(struck: StruckRequest) -> web.StreamResponse:
    """Send the first page without end, each time with another cursor."""
    # Cursors before the first one lead to the first page.
    return json_response(struck.honest | {"nextCursor": _requested_cursor(struck) - 1000})


async def no_end(struck: StruckRequest) -> web.StreamResponse:
    """Send a cursor on every page, even after the last task."""
    return json_response(struck.honest | {"nextCursor": _requested_cursor(struck) + 100_000})


def _requested_cursor(struck: StruckRequest) -> int:
    return int(struck.request.query.get("pageCursor") or FIRST_CURSOR_MS)


def _with_each(page: Page, change: Callable[[Page], Page]) -> Page:
    return page | {"taskListDtos": [change(task) for task in page["taskListDtos"]]}


PAGES: Mapping[str, Effect] = {
    "list_documented_key": respond_with(documented_key),
    "list_missing": respond_with(without_list),
    "list_text_cursor": respond_with(text_cursor),
    "list_null_cursor": respond_with(null_cursor),
    "list_empty_cursor": respond_with(empty_cursor),
    "list_repeated_task": respond_with(repeated_task),
    "list_same_cursor": respond_with(same_cursor),
    "list_same_page": same_page,
    "list_no_end": no_end,
    "list_times": respond_with(without_times),
    "list_number_ids": respond_with(ids_as_numbers),
    "list_hostile_ids": respond_with(hostile_ids),
}

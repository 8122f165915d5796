"""Faults of the list: pages as the documentation, its example or a hasty server has them, and lists without end."""

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from etl.fake_api.effects.ask import Ask, Effect, say_instead
from etl.fake_api.effects.drift import HOSTILE_TEXT
from etl.fake_api.listing import FIRST_CURSOR_MS
from etl.fake_api.replies import json_reply

Page = dict[str, Any]


def documented_key(page: Page) -> object:
    """The tasks under the name that the documentation's table has for them."""
    return {"taskList" if name == "taskListDtos" else name: value for name, value in page.items()}


def without_list(page: Page) -> object:
    """No tasks, and not even the name for them."""
    return {name: value for name, value in page.items() if name != "taskListDtos"}


def text_cursor(page: Page) -> object:
    """The cursor in quotes, as the documentation's table types it."""
    return page | ({"nextCursor": str(page["nextCursor"])} if "nextCursor" in page else {})


def null_cursor(page: Page) -> object:
    """At the end a cursor that is null."""
    return {"nextCursor": None} | page


def empty_cursor(page: Page) -> object:
    """At the end a cursor that is empty."""
    return {"nextCursor": ""} | page


def repeated_task(page: Page) -> object:
    """A page whose last task stands on the next one, too, as tasks of the same second may."""
    return page | ({"nextCursor": page["nextCursor"] - 1000} if "nextCursor" in page else {})


def same_cursor(page: Page) -> object:
    """The cursor of the second page, for ever."""
    return page | {"nextCursor": FIRST_CURSOR_MS + 1000}


def without_times(page: Page) -> object:
    """Tasks that say when they were created in no way that is documented."""
    return _with_each(page, lambda task: task | {"createTime": HOSTILE_TEXT})


def ids_as_numbers(page: Page) -> object:
    """Tasks whose IDs have lost their quotes."""
    return _with_each(page, lambda task: task | {"taskId": int(task["taskId"])})


def hostile_ids(page: Page) -> object:
    """Tasks whose IDs somebody chose in order to do harm."""
    return _with_each(page, lambda task: task | {"taskId": HOSTILE_TEXT})


async def same_page(ask: Ask) -> web.StreamResponse:
    """The first page, for ever, each time with another cursor."""
    # Cursors before the first one lead to the first page.
    return json_reply(ask.task | {"nextCursor": _asked_for(ask) - 1000})


async def no_end(ask: Ask) -> web.StreamResponse:
    """A cursor on every page, also when all tasks were told."""
    return json_reply(ask.task | {"nextCursor": _asked_for(ask) + 100_000})


def _asked_for(ask: Ask) -> int:
    return int(ask.request.query.get("pageCursor") or FIRST_CURSOR_MS)


def _with_each(page: Page, change: Callable[[Page], Page]) -> Page:
    return page | {"taskListDtos": [change(task) for task in page["taskListDtos"]]}


PAGES: Mapping[str, Effect] = {
    "list_documented_key": say_instead(documented_key),
    "list_missing": say_instead(without_list),
    "list_text_cursor": say_instead(text_cursor),
    "list_null_cursor": say_instead(null_cursor),
    "list_empty_cursor": say_instead(empty_cursor),
    "list_repeated_task": say_instead(repeated_task),
    "list_same_cursor": say_instead(same_cursor),
    "list_same_page": same_page,
    "list_no_end": no_end,
    "list_times": say_instead(without_times),
    "list_number_ids": say_instead(ids_as_numbers),
    "list_hostile_ids": say_instead(hostile_ids),
}

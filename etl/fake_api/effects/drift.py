"""Faults of an interface that changed: sound JSON that says something else, or says it otherwise, than documented."""

from collections.abc import Mapping

import msgspec

from etl.fake_api.effects.ask import Effect, say_instead, with_fields
from etl.fake_api.world import StandInTask
from etl.tasks import TaskStatus

HOSTILE_TEXT = "=cmd()|' /C calc'!A0\x00\x07\x1b[31m\r\n\t<script>alert(1)</script>\"';--\u202e\u200f".ljust(
    10_240, "x"
)
"""What spreadsheets, terminals, browsers, SQL and readers may each take for something else than text."""


def another_task(task: StandInTask) -> object:
    """The detail of the task with the next ID."""
    return msgspec.structs.replace(task, task_id=str(int(task.task_id) + 1))


def unknown_status(task: StandInTask) -> object:
    """A status that the documentation does not know."""
    return msgspec.structs.replace(task, status=7, result_code=msgspec.UNSET)


def numbers_as_text(task: StandInTask) -> object:
    """Numbers in quotes, as the documentation's tables type some of them."""
    detail = msgspec.to_builtins(task)
    return {name: str(value) if isinstance(value, int) else value for name, value in detail.items()}


def required_fields_only(task: StandInTask) -> object:
    """No more than the ID and the status."""
    return {"taskId": task.task_id, "status": task.status}


def one_more_field(task: StandInTask) -> object:
    """The honest detail and a field that the documentation does not know."""
    return with_fields(task, ownerName="Wang Fang")


def status_and_type_as_text(task: StandInTask) -> object:
    """The honest detail with two of its numbers in quotes."""
    return with_fields(task, status=str(task.status), taskType=str(task.task_type))


def new_result_code(task: StandInTask) -> object:
    """A failure for a reason that the documentation does not know."""
    return msgspec.structs.replace(task, status=int(TaskStatus.FAILED), result_code="18999999")


def without_name(task: StandInTask) -> object:
    """The honest detail but for the name."""
    detail = with_fields(task)
    del detail["taskName"]
    return detail


def hostile_text(task: StandInTask) -> object:
    """The honest detail with texts that somebody chose in order to do harm."""
    return msgspec.structs.replace(task, task_name=HOSTILE_TEXT, msg=HOSTILE_TEXT)


DRIFT: Mapping[str, Effect] = {
    "wrong_task": say_instead(another_task),
    "unknown_status": say_instead(unknown_status),
    "text_numbers": say_instead(numbers_as_text),
    "missing_fields": say_instead(required_fields_only),
    "unknown_field": say_instead(one_more_field),
    "changed_type": say_instead(status_and_type_as_text),
    "new_result_code": say_instead(new_result_code),
    "missing_name": say_instead(without_name),
    "hostile_text": say_instead(hostile_text),
}

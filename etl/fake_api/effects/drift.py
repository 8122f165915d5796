"""Faults of a changed interface: valid JSON with other fields, types or values than documented."""

from collections.abc import Mapping

import msgspec

from etl.fake_api.effects.effect import Effect, respond_with, with_fields
from etl.fake_api.world import StandInTask
from etl.tasks.detail import TaskStatus

HOSTILE_TEXT = "=cmd()|' /C calc'!A0\x00\x07\x1b[31m\r\n\t<script>alert(1)</script>\"';--\u202e\u200f".ljust(
    10_240, "x"
)
"""Text that a spreadsheet, a terminal, a browser or SQL may run or interpret."""


def another_task(task: StandInTask) -> object:
    """Describe the task with the next ID."""
    return msgspec.structs.replace(task, task_id=str(int(task.task_id) + 1))


def unknown_status(task: StandInTask) -> object:
    """Set a status that is not documented."""
    return msgspec.structs.replace(task, status=7, result_code=msgspec.UNSET)


def numbers_as_text(task: StandInTask) -> object:
    """Put the numbers in quotes, as the documentation's tables do for some of them."""
    detail = msgspec.to_builtins(task)
    return {name: str(value) if isinstance(value, int) else value for name, value in detail.items()}


def required_fields_only(task: StandInTask) -> object:
    """Leave out all but the ID and the status."""
    return {"taskId": task.task_id, "status": task.status}


def one_more_field(task: StandInTask) -> object:
    """Add a field that is not documented."""
    return with_fields(task, ownerName="Wang Fang")


def status_and_type_as_text(task: StandInTask) -> object:
    """Put two of the numbers in quotes."""
    return with_fields(task, status=str(task.status), taskType=str(task.task_type))


def new_result_code(task: StandInTask) -> object:
    """Set a result code that is not documented."""
    return msgspec.structs.replace(task, status=int(TaskStatus.FAILED), result_code="18999999")


def without_name(task: StandInTask) -> object:
    """Leave the name out."""
    detail = with_fields(task)
    del detail["taskName"]
    return detail


def hostile_text(task: StandInTask) -> object:
    """Set texts that an attacker could choose."""
    return msgspec.structs.replace(task, task_name=HOSTILE_TEXT, response_message=HOSTILE_TEXT)


DRIFT: Mapping[str, Effect] = {
    "wrong_task": respond_with(another_task),
    "unknown_status": respond_with(unknown_status),
    "text_numbers": respond_with(numbers_as_text),
    "missing_fields": respond_with(required_fields_only),
    "unknown_field": respond_with(one_more_field),
    "changed_type": respond_with(status_and_type_as_text),
    "new_result_code": respond_with(new_result_code),
    "missing_name": respond_with(without_name),
    "hostile_text": respond_with(hostile_text),
}

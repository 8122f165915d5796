"""Responses about one task, as values."""

import json
from datetime import UTC, datetime, timedelta

from multidict import CIMultiDict

from etl.koodrive.detail import interpret
from etl.koodrive.response import Response
from etl.tasks import PendingTask
from etl.tasks.detail import API_FIELDS

TASK_ID = "1534087020903704704"


NOW = datetime(2026, 11, 7, 1, 2, 3, tzinfo=UTC)


SENT_AT = NOW - timedelta(seconds=20)


TASK = PendingTask(task_id=TASK_ID)


DOCUMENTED = {field.api_name: field.example for field in API_FIELDS} | {
    "taskId": TASK_ID,
    "taskName": "lym0412normal",
    "taskType": 0,
    "tenantId": "d5ac574bd2934a69baa4f23c55daa8d4",
    "userId": "1395497048157130881",
    "status": 3,
    "resultCode": "18000205",
    "code": 0,
    "msg": "成功",
}


def response(body, *, status=200, content_type="application/json", headers=()):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return Response(
        status=status,
        content_type=content_type,
        headers=CIMultiDict(headers),
        body=body,
        trace_id="t" * 58,
        sent_at=SENT_AT,
    )


def interpreted(body, **rest):
    return interpret(response(body, **rest), TASK, now=NOW)


def with_fields(**changed):
    return {name: value for name, value in (DOCUMENTED | changed).items() if value is not ...}


def field(name, raw):
    """Return the documented answer with one field replaced by raw JSON."""
    rest = json.dumps(with_fields(**{name: ...})).encode()
    return rest[:-1] + b', "' + name.encode() + b'": ' + raw + b"}"

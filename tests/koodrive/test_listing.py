"""Pages of the list in every form that the documentation, its examples and its contradictions allow."""

import asyncio
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import CredentialsRefusedError, TaskAuditError
from etl.fake_api import Behaviour, FakeApi, Fault
from etl.fake_api.effects import EFFECTS, PAGES, strikes_pages
from etl.fake_api.listing import a_minute_apart
from etl.koodrive.client import open_koodrive
from etl.koodrive.listing import LIST, ListedTask, TaskPage, list_query, read_page
from etl.koodrive.response import Response
from etl.tasks import FetchFailure, is_storable_id
from etl.tasks.failure_reasons import FailureReason

NOW = datetime(2026, 11, 1, tzinfo=UTC)
RUN_ID = "0193b4e4-7c1e-7d8a-9c55-2f6a1b3c4d5e"
TASK_ID = "1486254586942472064"
DOCUMENTED = {
    "taskListDtos": [
        {
            "taskId": TASK_ID,
            "taskName": "ceshi1111",
            "taskType": 0,
            "status": 2,
            "createTime": "2024-08-12T07:22:33.000Z",
        }
    ],
    "nextCursor": 1723549107000,
    "code": 0,
    "msg": "success",
}
CREATED_AT = datetime(2024, 8, 12, 7, 22, 33, tzinfo=UTC)


def read(answer, status=200, content_type="application/json"):
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    response = Response(status=status, content_type=content_type, headers={}, body=body, trace_id="t", sent_at=NOW)
    return read_page(response, now=NOW)


def page(**changed):
    return read(DOCUMENTED | changed)


def task(**changed):
    found = page(taskList=[{"taskId": TASK_ID} | changed], taskListDtos=None)
    return found.tasks[0] if isinstance(found, TaskPage) else found


def test_the_documented_example_is_a_page():
    assert read(DOCUMENTED) == TaskPage((ListedTask(TASK_ID, 2, CREATED_AT),), "1723549107000")


def test_the_list_is_read_under_either_name_or_under_both_if_they_agree():
    tasks = DOCUMENTED["taskListDtos"]
    expected = read(DOCUMENTED)
    assert page(taskList=tasks) == expected
    assert page(taskList=tasks, taskListDtos=None) == expected
    assert page(taskList=[], taskListDtos=None).tasks == ()
    assert "two lists" in page(taskList=[]).detail


@pytest.mark.parametrize("absent", [{"taskListDtos": None}, {"taskListDtos": {}}, {"taskListDtos": "[]"}])
def test_a_page_without_a_list_is_malformed_and_not_empty(absent):
    assert page(**absent).reason is FailureReason.BAD_PAYLOAD


@pytest.mark.parametrize(
    ("cursor", "expected"),
    [
        (None, None),
        ("", None),
        (0, "0"),
        (1723549107000, "1723549107000"),
        ("1723549107000", "1723549107000"),
        ("a b/~=", "a b/~="),
        (2**64 - 1, str(2**64 - 1)),
    ],
)
def test_every_cursor_is_text_or_the_end(cursor, expected):
    assert page(nextCursor=cursor).next_cursor == expected


def test_a_page_without_a_cursor_is_the_last():
    assert read({name: value for name, value in DOCUMENTED.items() if name != "nextCursor"}).next_cursor is None


@pytest.mark.parametrize("cursor", [True, 1.5, [], {}, "x" * 256, 2**64])
def test_another_cursor_makes_a_page_malformed(cursor):
    assert page(nextCursor=cursor).reason is FailureReason.BAD_PAYLOAD


@pytest.mark.parametrize("task_id", [TASK_ID, int(TASK_ID), f" {TASK_ID}\n"])
def test_ids_are_read_as_text(task_id):
    assert task(taskId=task_id).task_id == TASK_ID


def test_an_invalid_id_is_listed_unchanged():
    assert task(taskId="no ID at all").task_id == "no ID at all"


@pytest.mark.parametrize("task_id", [None, "", "  ", True, 1.5, [], "x" * 256, "a\0b"])
def test_an_id_that_cannot_be_stored_makes_a_page_malformed(task_id):
    assert task(taskId=task_id).reason is FailureReason.BAD_PAYLOAD


@pytest.mark.parametrize(
    ("status", "expected"),
    [(0, 0), (3, 3), (7, 7), ("2", 2), (None, None), ("SUCCESS", None), (True, None), (2.5, None), ("9" * 5000, None)],
)
def test_a_status_is_a_whole_number_or_unknown(status, expected):
    assert task(status=status).status == expected


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        ("2024-08-12T07:22:33.000Z", CREATED_AT),
        ("2024-08-12T07:22:33", CREATED_AT),
        ("2024-08-12T15:22:33+08:00", CREATED_AT),
        ("20240812152233", None),
        ("2024-08-12", None),
        ("2024-13-12T07:22:33Z", None),
        ("0001-01-01T00:00:00+23:00", None),
        ("9999-12-31T23:59:59-23:00", None),
        (1723447353000, None),
        (None, None),
        ("=cmd()", None),
    ],
)
def test_times_are_read_or_unknown_and_never_guessed(created, expected):
    assert task(createTime=created).created_at == expected


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", FailureReason.BAD_PAYLOAD),
        (b"[]", FailureReason.BAD_PAYLOAD),
        (b'{"taskList":[],"progress":NaN}', FailureReason.BAD_PAYLOAD),
        (b'{"taskList":[],"taskList":[]}', FailureReason.BAD_PAYLOAD),
        (b'{"taskList":[{"taskId":"\\ud800"}]}', FailureReason.BAD_PAYLOAD),
        (b'{"taskList":[' + b"[" * 100_000, FailureReason.BAD_PAYLOAD),
        (json.dumps({"taskList": [{"taskId": "1"}] * 101}).encode(), FailureReason.BAD_PAYLOAD),
        (b'{"code":13000201,"msg":"m"}', FailureReason.SERVER_ERROR),
        (b'{"taskList":[],"code":"13000201"}', FailureReason.SERVER_ERROR),
        (b'{"error_code":"APIG.0308","error_msg":"m"}', FailureReason.THROTTLED),
    ],
)
def test_a_200_without_a_page_is_a_failure(body, reason):
    found = read(body)
    assert (found.task, found.reason) == (LIST, reason)


def test_other_statuses_and_types_mean_the_same_as_for_a_task():
    assert read(b"{}", status=503).reason is FailureReason.SERVER_ERROR
    assert read(b"{}", status=429).reason is FailureReason.THROTTLED
    assert read(DOCUMENTED, content_type="text/html").reason is FailureReason.UNRECOGNIZED
    with pytest.raises(CredentialsRefusedError):
        read({"error_code": "APIGW.0302", "error_msg": "no"}, status=403)


def test_a_query_names_at_most_one_status_and_the_unchanged_cursor():
    assert list_query(status=None, cursor=None) == [("pageSize", "100")]
    assert list_query(status=0, cursor="0") == [("pageSize", "100"), ("status", "0"), ("pageCursor", "0")]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([TASK_ID, "2", "2024-08-12"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
records = st.fixed_dictionaries({}, optional={"taskId": anything, "status": anything, "createTime": anything})
pages = st.fixed_dictionaries(
    {},
    optional={
        "taskList": st.lists(records, max_size=3) | anything,
        "taskListDtos": st.lists(records, max_size=3) | anything,
        "nextCursor": anything,
        "code": st.just(0) | anything,
        "error_code": anything,
    },
)


@given(
    st.binary(max_size=200) | pages.map(lambda value: json.dumps(value).encode()) | anything.map(str).map(str.encode)
)
def test_any_body_is_a_storable_page_or_a_failure(body):
    found = read(body)
    if isinstance(found, FetchFailure):
        assert found.task is LIST
        return
    assert all(is_storable_id(listed.task_id) for listed in found.tasks)
    assert all(listed.created_at is None or listed.created_at.tzinfo is UTC for listed in found.tasks)
    assert found.next_cursor != ""


def asked_for_pages(behaviour, settings, *cursors, status=None):
    async def scenario():
        async with (
            FakeApi(behaviour) as api,
            open_koodrive(settings(api.base_url), run_id=RUN_ID, clock=lambda: datetime.now(UTC)) as koodrive,
        ):
            return [await koodrive.list_tasks(cursor, status=status) for cursor in cursors], api

    return asyncio.run(scenario())


APP = {"auth": "app", "app_id": "a378331e", "app_secret": "s3cret-of-the-app"}


@pytest.mark.parametrize("cursor", [None, "1723549108000", "%2C,~ +/&="])
def test_a_query_is_sent_as_it_was_signed(api_settings, cursor):
    behaviour = Behaviour(app_id=APP["app_id"], app_secret=APP["app_secret"], task_ids=a_minute_apart(3))
    (found,), api = asked_for_pages(behaviour, lambda url: api_settings(url, **APP), cursor, status=2)
    assert api.stats.rejected == {}
    assert isinstance(found, TaskPage) or "Parameter check failed" in found.detail


STALLING_FAULTS = {"endless_body", "slow_body", "slow_headers", "stall"}
FATAL_FAULTS = {"http_403", "http_405", "http_511"}
"""Faults that concern every request, and therefore end the run."""


@pytest.mark.parametrize(
    "fault", sorted(name for name in EFFECTS if strikes_pages(name) and name not in {*PAGES, *STALLING_FAULTS})
)
def test_no_fault_is_read_as_a_page(api_settings, fault):
    behaviour = Behaviour(task_ids=a_minute_apart(3), faults=(Fault(name=fault, task_ids=frozenset({"list"})),))
    try:
        (found,), _ = asked_for_pages(behaviour, api_settings, None)
    except TaskAuditError:
        assert fault in FATAL_FAULTS
        return
    assert isinstance(found, FetchFailure) or (fault == "gzip" and len(found.tasks) == 3)


def test_a_failure_of_the_list_shows_no_secret(api_settings, scripted):
    body = b'{"echo":"Bearer t0ken-of-trust"}'
    response = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    async def scenario():
        async with (
            scripted(response) as server,
            open_koodrive(api_settings(server.base_url), run_id=RUN_ID, clock=lambda: NOW) as koodrive,
        ):
            return await koodrive.list_tasks(None)

    found = asyncio.run(scenario())
    assert found.reason is FailureReason.BAD_PAYLOAD
    assert "echo" in found.detail
    assert "t0ken-of-trust" not in found.detail

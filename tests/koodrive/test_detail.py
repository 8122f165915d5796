import json
from collections.abc import Mapping
from datetime import timedelta

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etl.errors import ConfigurationError, CredentialsRefusedError, UnavailableError
from etl.fake_api.world import World
from etl.koodrive.detail import interpret
from etl.koodrive.rate_limit_headers import READERS
from etl.normalize import COLUMNS, normalize
from etl.run.settlement import settlement_of
from etl.tasks import FetchFailure, Observation, PendingTask
from etl.tasks.failure_reasons import FailureReason
from tests.koodrive.task_responses import (
    DOCUMENTED,
    NOW,
    SENT_AT,
    TASK,
    TASK_ID,
    field,
    interpreted,
    response,
    with_fields,
)


def test_the_documented_answer_becomes_an_observation():
    seen = interpreted(DOCUMENTED)
    assert isinstance(seen, Observation)
    # A response may be read late, after newer ones: its content is as old as the request.
    assert (seen.task, seen.observed_at) == (TASK, SENT_AT)
    assert (seen.detail.task_id, seen.detail.status, seen.detail.result_code) == (TASK_ID, 3, "18000205")
    assert (seen.detail.task_name, seen.detail.task_type, seen.detail.response_code) == ("lym0412normal", 0, 0)
    assert (seen.detail.tenant_id, seen.detail.user_id) == (DOCUMENTED["tenantId"], DOCUMENTED["userId"])
    assert seen.detail.response_message == "成功"
    assert seen.drift == ()


@pytest.mark.parametrize(
    "body",
    [
        with_fields(status="3", taskType="0", code="0"),
        with_fields(taskId=int(TASK_ID), userId=1395497048157130881, resultCode=18000205),
        {"taskId": TASK_ID, "status": 3},
        with_fields(code=...),
        with_fields(code=None),
        with_fields(code=""),
        with_fields(error_code=None, error_msg=None),
        with_fields(error_code=""),
        with_fields(taskName=None, taskType=None, tenantId=None, userId=None, resultCode=None, msg=None),
        with_fields(status=" 3 "),
        with_fields(added={"status": 1, "taskId": "17", "taskId ": [{}]}),
        with_fields(msg='"status": 2, "status": 2'),
        json.dumps(DOCUMENTED, indent=4).encode() + b"\r\n",
    ],
)
def test_harmless_differences_leave_the_same_task(body):
    seen = interpreted(body)
    assert isinstance(seen, Observation)
    assert (str(seen.detail.task_id), int(seen.detail.status)) == (TASK_ID, 3)


@pytest.mark.parametrize("status", [0, 1, 2, 3, 7, -1, 2**63 - 1, -(2**63), "-2", "007", "999999999999999999"])
def test_any_whole_number_is_a_status(status):
    seen = interpreted(with_fields(status=status))
    assert isinstance(seen, Observation)
    assert normalize([seen])[0][COLUMNS.index("status")] == int(status)


@pytest.mark.parametrize("content_type", ["application/json", "text/json", "application/hal+json", ""])
def test_some_other_content_types_are_read_as_json(content_type):
    assert isinstance(interpreted(DOCUMENTED, content_type=content_type), Observation)


BAD_PAYLOADS = {
    "empty": b"",
    "blank": b" \n",
    "half": json.dumps(DOCUMENTED).encode()[:-40],
    "no commas": json.dumps(DOCUMENTED).encode().replace(b",", b" "),
    "more after it": json.dumps(DOCUMENTED).encode() + b"{}",
    "byte order mark": b"\xef\xbb\xbf" + json.dumps(DOCUMENTED).encode(),
    "UTF-16": json.dumps(DOCUMENTED).encode("utf-16"),
    "no UTF-8": field("taskName", b'"\xff"'),
    "half a character in UTF-8": field("taskName", b'"\xed\xa0\x80"'),
    "first half of a character": field("taskName", b'"\\ud800"'),
    "first half and a letter": field("taskName", b'"\\ud800a"'),
    "first half and an escape": field("taskName", b'"\\ud800\\u0041"'),
    "first half twice": field("msg", b'"\\ud83d\\ud83d"'),
    "second half of a character": field("resultCode", b'"\\udc00"'),
    "control character": field("taskName", b'"\x01"'),
    "a list": [DOCUMENTED],
    "null": b"null",
    "a number": b"17",
    "an empty object": {},
    "a list page": {"taskListDtos": [DOCUMENTED], "code": 0},
    "no status": with_fields(status=...),
    "no task ID": with_fields(taskId=...),
    "another task": with_fields(taskId="1534087020903704705"),
    "another task by a rounded number": field("taskId", b"1534087020903704700"),
    "task ID as a float": field("taskId", b"1534087020903704704.0"),
    "status NaN": field("status", b"NaN"),
    "status infinite": field("status", b"Infinity"),
    "status out of range": field("status", b"1e400"),
    "status true": with_fields(status=True),
    "status null": with_fields(status=None),
    "status a float": with_fields(status=3.0),
    "status a list": with_fields(status=[3]),
    "status empty": with_fields(status=""),
    "status a word": with_fields(status="FAILED"),
    "status in other digits": with_fields(status="٣"),
    "status with a plus": with_fields(status="+3"),
    "status too large": with_fields(status=2**63),
    "status too small": with_fields(status=-(2**63) - 1),
    "status of 5000 digits": field("status", b"9" * 5000),
    "status as text of 5000 digits": with_fields(status="9" * 5000),
    "type a word": with_fields(taskType="HANDOVER"),
    "type a float": with_fields(taskType=0.5),
    "name a number": with_fields(taskName=17),
    "result code a list": with_fields(resultCode=["18000205"]),
    "code a float": with_fields(code=0.0),
    "code false": with_fields(code=False),
    "code of 5000 digits": field("code", b"1" * 5000),
    "two statuses": field("status", b'2, "status": 3'),
    "two task IDs": b'{"taskId": "17", "status": 3, "taskId": "1534087020903704704"}',
    "two codes": field("code", b'1, "code": 0'),
    "two names without documentation": field("added", b'1, "added": 1'),
    "two names further inside": field("added", b'[{"a": 1, "b": {}, "a": 1}]'),
    "a name written in two ways": field("taskName", b'"a", "task\\u004eame": "a"'),
    "a name twice, once with nothing": field("resultCode", b'null, "resultCode": null'),
    "two names beside an error": field("code", b'13000309, "msg": ""'),
    "NaN in a field of no interest": field("added", b"NaN"),
    "minus infinity further inside": field("added", b'{"a": [-Infinity]}'),
    "a number out of range in a field of no interest": field("added", b"1e400"),
    "half a character in a field of no interest": field("added", b'"\\ud800"'),
    "half a character in a name": field("\\udc00", b"1"),
    "no UTF-8 in a field of no interest": field("added", b'"\xff"'),
    "a number beyond 64 bits": field("added", b"18446744073709551616"),
    "a number below 64 bits": field("added", b"[-9223372036854775809]"),
    "a user beyond 64 bits": field("userId", b"9" * 21),
    "33 levels": field("added", b"[" * 32 + b"]" * 32),
    "two statuses and a number that no parser takes": field("status", b'2, "status": 3, "x": ' + b"1" * 5000),
    "nested without end": field("added", b"[" * 200_000 + b"]" * 200_000),
    "nested objects without end": field("added", b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
}


@pytest.mark.parametrize("body", BAD_PAYLOADS.values(), ids=BAD_PAYLOADS)
def test_a_bad_payload_makes_no_fact(body):
    failure = interpreted(body)
    assert isinstance(failure, FetchFailure)
    # Without the task's ID under its name, another server may have sent it.
    assert FailureReason.BAD_PAYLOAD in {failure.reason, failure.own_reason}
    assert (failure.http_status, failure.error_code) == (200, None)
    assert (failure.task, failure.failed_at, failure.trace_id) == (TASK, NOW, "t" * 58)
    assert failure.detail


class Untouchable(Mapping):
    """Headers that fail when they are read."""

    def __getitem__(self, name):
        raise AssertionError(name)

    __iter__ = __len__ = __getitem__


def test_the_headers_of_a_good_answer_are_not_read():
    good = msgspec.structs.replace(response(DOCUMENTED), headers=Untouchable())
    assert isinstance(interpret(good, TASK, now=NOW), Observation)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


CODES = st.sampled_from([0, "0", "", None, 13000201, "APIGW.0308", "APIGW.0101", TASK_ID, int(TASK_ID), 3, "3", " 2"])


FIELDS = st.sampled_from([*DOCUMENTED, "error_code", "error_msg", "added"])


BODIES = st.one_of(
    st.binary(max_size=80),
    JSON_VALUES.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(FIELDS, CODES | JSON_VALUES).map(lambda changed: json.dumps(DOCUMENTED | changed).encode()),
    st.dictionaries(FIELDS, CODES | JSON_VALUES).map(lambda body: json.dumps(body).encode()),
)


STATUSES = st.one_of(st.just(200), st.sampled_from([400, 401, 403, 404, 405, 429, 500]), st.integers(100, 599))


HEADERS = st.lists(st.tuples(st.sampled_from([*READERS, "Date"]), st.sampled_from(["0", "7", "soon", "r=0;t=1", ""])))


def read_by_the_book(body):
    """Read an answer with the standard library, made strict: an independent second reader."""

    def refuse(text):
        raise ValueError(text)

    def once(pairs):
        assert len({name for name, _ in pairs}) == len(pairs)
        return dict(pairs)

    believed = json.loads(body.decode(), object_pairs_hook=once, parse_constant=refuse)
    json.dumps(believed, ensure_ascii=False).encode()
    return believed


@given(
    body=BODIES, status=STATUSES, content_type=st.sampled_from(["application/json", "", "text/html"]), headers=HEADERS
)
@example(body=field("taskName", b'"\\ud800"'), status=200, content_type="application/json", headers=[])
@example(body=b"[" * 200_000, status=400, content_type="application/json", headers=[])
def test_any_response_is_a_fact_a_failure_or_the_end_of_the_run(body, status, content_type, headers):
    try:
        outcome = interpreted(body, status=status, content_type=content_type, headers=headers)
    except (ConfigurationError, CredentialsRefusedError, UnavailableError) as error:
        assert error.remedy  # noqa: PT017  one of three ways to end
        return
    settlement_of(outcome, recheck_after=timedelta())
    if isinstance(outcome, FetchFailure):
        assert outcome.detail
        return
    assert status == 200
    believed = read_by_the_book(body)
    assert str(believed["taskId"]) == TASK_ID
    assert str(believed.get("code") or 0) == "0"
    assert without_names(outcome.drift) == list(differences(believed))
    (row,) = normalize([outcome])
    fact = dict(zip(COLUMNS, row, strict=True))
    assert fact["status"] == int(believed["status"])
    assert (fact["task_name"] or "") == (believed.get("taskName") or "").replace("\0", "\ufffd")


def differences(believed):
    """List the differences from the documentation in a second, slower way; unknown fields without their names."""
    types = dict.fromkeys(DOCUMENTED, (str,)) | {"taskType": (int,), "status": (int,), "code": (int, str)}
    types["resultCode"] = (str, type(None))
    for name, allowed in types.items():
        if name not in believed and name != "resultCode":
            yield f"missing field {name}"
        if name in believed and not isinstance(believed[name], allowed):
            yield f"{name} is {'null' if believed[name] is None else type(believed[name]).__name__}"
    if believed.get("taskType") is not None and int(believed["taskType"]) not in (0, 1):
        yield f"unknown taskType {int(believed['taskType'])}"
    if int(believed["status"]) not in range(4):
        yield f"unknown status {int(believed['status'])}"
    yield from ["unknown field"] * len(believed.keys() - types.keys())


def without_names(drift):
    return [text if not text.startswith("unknown field") else "unknown field" for text in drift]


PIECES = ["{", "}", ",", ":", '"', "\\", "[", "]", " ", "null", "0", "3", "NaN", '"status":3', '"resultCode":null']
PIECES += [f'"{name}":' for name in DOCUMENTED] + [json.dumps(TASK_ID), '"a":1', '"code":0', "\\u0073", "\ufeff"]


@given(places=st.lists(st.tuples(st.integers(0, 250), st.integers(0, 12), st.sampled_from(PIECES)), max_size=3))
@example(places=[(1, 0, '"a":1,')])
@example(places=[(75, 0, "3"), (170, 0, "3")])
def test_a_damaged_answer_never_becomes_another_answer(places):
    body = json.dumps(DOCUMENTED, ensure_ascii=False)
    for at, length, piece in places:
        body = body[:at] + piece + body[at + length :]
    outcome = interpreted(body.encode())
    if isinstance(outcome, Observation):
        believed = read_by_the_book(body.encode())
        assert (believed["taskId"], int(believed["status"])) == (TASK_ID, int(outcome.detail.status))
        assert without_names(outcome.drift) == list(differences(believed))


@pytest.mark.parametrize("end", range(len(json.dumps(DOCUMENTED).encode())))
def test_a_part_of_an_answer_makes_no_fact(end):
    failure = interpreted(json.dumps(DOCUMENTED).encode()[:end])
    assert FailureReason.BAD_PAYLOAD in {failure.reason, failure.own_reason}


@given(seed=st.integers(), number=st.integers(0, 10**19 - 1))
def test_the_stand_ins_honest_answers_become_observations(seed, number):
    task = World(seed=seed).task(str(number))
    seen = interpret(response(msgspec.json.encode(task)), PendingTask(task_id=str(number)), now=NOW)
    assert isinstance(seen, Observation)
    assert (seen.detail.status, seen.detail.task_name, seen.drift) == (task.status, task.task_name, ())

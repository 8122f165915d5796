import json
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etl.errors import ConfigurationError, CredentialsRefusedError, TaskAuditError, UnavailableError
from etl.fake_api.world import World
from etl.koodrive.answers import GATEWAY_FAILURES, GATEWAY_REFUSALS, SERVICE_FAILURES, Reply, interpret
from etl.normalize import normalize
from etl.settle import settle
from etl.tasks import FailureReason, FetchFailure, Observation, PendingTask

TASK_ID = "1534087020903704704"
NOW = datetime(2026, 11, 7, 1, 2, 3, tzinfo=UTC)
TASK = PendingTask(task_id=TASK_ID)
DOCUMENTED = {
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


def reply(body, *, status=200, content_type="application/json", retry_after=None):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return Reply(status=status, content_type=content_type, body=body, trace_id="t" * 58, retry_after=retry_after)


def said(body, **rest):
    return interpret(reply(body, **rest), TASK, now=NOW)


def with_fields(**changed):
    return {name: value for name, value in (DOCUMENTED | changed).items() if value is not ...}


def field(name, raw):
    """The documented answer with one field replaced by raw JSON."""
    rest = json.dumps(with_fields(**{name: ...})).encode()
    return rest[:-1] + b', "' + name.encode() + b'": ' + raw + b"}"


def test_the_documented_answer_becomes_an_observation():
    seen = said(DOCUMENTED)
    assert isinstance(seen, Observation)
    assert (seen.task, seen.observed_at) == (TASK, NOW)
    assert (seen.detail.task_id, seen.detail.status, seen.detail.result_code) == (TASK_ID, 3, "18000205")
    assert (seen.detail.task_name, seen.detail.task_type, seen.detail.response_code) == ("lym0412normal", 0, 0)
    assert (seen.detail.tenant_id, seen.detail.user_id) == (DOCUMENTED["tenantId"], DOCUMENTED["userId"])
    assert seen.detail.response_message == "成功"


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
def test_what_is_still_the_same_task(body):
    seen = said(body)
    assert isinstance(seen, Observation)
    assert (str(seen.detail.task_id), int(seen.detail.status)) == (TASK_ID, 3)


@pytest.mark.parametrize("status", [0, 1, 2, 3, 7, -1, 2**63 - 1, -(2**63), "-2", "007", "999999999999999999"])
def test_any_whole_number_is_a_status(status):
    seen = said(with_fields(status=status))
    assert isinstance(seen, Observation)
    assert int(normalize([seen])["status"].item()) == int(status)


@pytest.mark.parametrize("content_type", ["application/json", "text/json", "application/hal+json", ""])
def test_types_that_may_be_json(content_type):
    assert isinstance(said(DOCUMENTED, content_type=content_type), Observation)


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
    "two statuses and a number that no parser takes": field("status", b'2, "status": 3, "x": ' + b"1" * 5000),
    "nested without end": field("added", b"[" * 200_000 + b"]" * 200_000),
    "nested objects without end": field("added", b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
}


@pytest.mark.parametrize("body", BAD_PAYLOADS.values(), ids=BAD_PAYLOADS)
def test_no_fact_is_made_of_a_bad_payload(body):
    failure = said(body)
    assert isinstance(failure, FetchFailure)
    assert (failure.reason, failure.http_status, failure.error_code) == (FailureReason.BAD_PAYLOAD, 200, None)
    assert (failure.task, failure.failed_at, failure.trace_id) == (TASK, NOW, "t" * 58)
    assert failure.detail


HTTP_STATUSES = {
    "NOT_FOUND": [404, 410],
    "FORBIDDEN": [403],
    "REJECTED": [201, 204, 206, 301, 302, 307, 400, 402, 405, 406, 411, 413, 414, 415, 422, 431, 451, 494, 501, 505],
    "SERVER_ERROR": [409, 421, 423, 425, 500, 502, 503, 504, 520, 522, 524, 530, 599],
    "THROTTLED": [429],
    "TIMEOUT": [408],
}


@pytest.mark.parametrize(
    ("reason", "status"), [(reason, status) for reason, statuses in HTTP_STATUSES.items() for status in statuses]
)
@pytest.mark.parametrize("body", [b"", b"<html>no</html>", b"null", b"[" * 100_000, b"\xff", DOCUMENTED])
def test_http_status_without_a_code(reason, status, body):
    failure = said(body, status=status)
    assert (failure.reason, failure.http_status, failure.error_code) == (FailureReason[reason], status, None)


@pytest.mark.parametrize(("status", "expected"), [(401, CredentialsRefusedError), (511, UnavailableError)])
@pytest.mark.parametrize("body", [b"", {"code": 13000102, "msg": "no"}, {"code": "401", "msg": "no"}])
def test_http_status_that_concerns_every_request(status, expected, body):
    with pytest.raises(expected, match=f"HTTP {status}") as caught:
        said(body, status=status)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("status", "retry_after", "reason"),
    [
        (403, "7", "THROTTLED"),
        (403, None, "FORBIDDEN"),
        (403, "", "FORBIDDEN"),
        (413, "7", "THROTTLED"),
        (404, "7", "NOT_FOUND"),
        (429, "7", "THROTTLED"),
        (503, "7", "SERVER_ERROR"),
    ],
)
def test_who_is_told_when_to_come_back_is_not_refused_for_good(status, retry_after, reason):
    assert said(b"", status=status, retry_after=retry_after).reason is FailureReason[reason]


@pytest.mark.parametrize("http_status", [200, 400])
@pytest.mark.parametrize(
    ("body", "reason", "code"),
    [
        *[({"code": int(code), "msg": "m"}, reason, code) for code, reason in SERVICE_FAILURES.items()],
        *[({"code": code, "msg": "m"}, reason, code) for code, reason in SERVICE_FAILURES.items()],
        ({"code": 13000102, "msg": "m"}, FailureReason.REJECTED, "13000102"),
        ({"code": "1", "msg": "m"}, FailureReason.REJECTED, "1"),
        ({"code": "13000201", "msg": None}, FailureReason.SERVER_ERROR, "13000201"),
        ({"code": 13000201, "msg": {"text": "m"}}, FailureReason.SERVER_ERROR, "13000201"),
        ({"code": 13000201}, FailureReason.SERVER_ERROR, "13000201"),
        ({"error_code": "E" * 36, "error_msg": "m"}, FailureReason.REJECTED, "E" * 36),
        ({"error_code": 308, "error_msg": "m"}, FailureReason.REJECTED, "308"),
        ({"error_code": "CCE.0401", "error_msg": "m"}, FailureReason.REJECTED, "CCE.0401"),
        ({"error_code": "APIGW.0602", "error_msg": "m"}, FailureReason.REJECTED, "APIGW.0602"),
        ({"error_code": "APIGW.0308", "error_msg": 17}, FailureReason.THROTTLED, "APIGW.0308"),
    ],
)
def test_errors_of_every_documented_shape(body, reason, code, http_status):
    failure = said(body, status=http_status)
    assert (failure.reason, failure.error_code, failure.http_status) == (reason, code, http_status)


@pytest.mark.parametrize("http_status", [200, 400, 403, 404, 429, 500])
@pytest.mark.parametrize("family", ["APIG", "APIGW"])
@pytest.mark.parametrize("number", GATEWAY_FAILURES)
def test_gateway_codes_that_say_more_than_their_status(family, number, http_status):
    body = {"error_code": f"{family}.{number}", "error_msg": "wait", "request_id": "17"}
    failure = said(body, status=http_status)
    assert (failure.reason, failure.error_code) == (GATEWAY_FAILURES[number], f"{family}.{number}")
    assert failure.detail == "wait"


@pytest.mark.parametrize("http_status", [200, 401, 403, 404, 405])
@pytest.mark.parametrize("family", ["APIG", "APIGW"])
@pytest.mark.parametrize("number", GATEWAY_REFUSALS)
def test_gateway_codes_that_concern_every_request(family, number, http_status):
    error, _ = GATEWAY_REFUSALS[number]
    with pytest.raises(error, match=f"{family}.{number} no entry") as caught:
        said({"error_code": f"{family}.{number}", "error_msg": "no entry"}, status=http_status)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("code", "http_status", "expected"),
    [
        ("APIGW.0101", 404, ConfigurationError),
        ("APIGW.0301", 401, CredentialsRefusedError),
        ("APIG.0303", 401, CredentialsRefusedError),
        ("APIGW.0304", 403, CredentialsRefusedError),
        ("APIGW.0501", 405, UnavailableError),
        ("APIGW.0502", 405, UnavailableError),
        ("APIGW.0201", 400, FailureReason.REJECTED),
        ("APIGW.0201", 413, FailureReason.REJECTED),
        ("APIGW.0201", 494, FailureReason.REJECTED),
        ("APIGW.0201", 502, FailureReason.SERVER_ERROR),
        ("APIGW.0201", 504, FailureReason.SERVER_ERROR),
        ("APIGW.0103", 404, FailureReason.SERVER_ERROR),
        ("APIG.0103", 500, FailureReason.SERVER_ERROR),
        ("APIGW.0105", 400, FailureReason.SERVER_ERROR),
        ("APIGW.0404", 403, FailureReason.SERVER_ERROR),
        ("APIGW.0601", 200, FailureReason.SERVER_ERROR),
        ("APIGW.9999", 500, FailureReason.SERVER_ERROR),
        ("APIGW.9999", 404, FailureReason.NOT_FOUND),
        ("APIGW.9999", 200, FailureReason.REJECTED),
    ],
)
def test_gateway_codes_as_documented(code, http_status, expected):
    body = {"error_code": code, "error_msg": "m"}
    if isinstance(expected, FailureReason):
        assert said(body, status=http_status).reason is expected
    else:
        with pytest.raises(expected):
            said(body, status=http_status)


@pytest.mark.parametrize("body", [with_fields(code=13000201), with_fields(error_code="APIGW.0601", code=...)])
def test_an_error_is_an_error_even_beside_the_fields_of_a_task(body):
    assert said(body).reason is FailureReason.SERVER_ERROR


@pytest.mark.parametrize("content_type", ["text/html", "text/plain", "application/xml"])
def test_a_page_for_people_is_the_servers_trouble(content_type):
    failure = said(b"<html>Back soon</html>", content_type=content_type)
    assert (failure.reason, failure.http_status) == (FailureReason.SERVER_ERROR, 200)
    assert content_type in failure.detail


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


@given(body=BODIES, status=STATUSES, content_type=st.sampled_from(["application/json", "", "text/html"]))
@example(body=field("taskName", b'"\\ud800"'), status=200, content_type="application/json")
@example(body=b"[" * 200_000, status=400, content_type="application/json")
def test_anything_is_a_fact_a_failure_or_the_end_of_the_run(body, status, content_type):
    try:
        outcome = said(body, status=status, content_type=content_type)
    except TaskAuditError as error:
        assert error.exit_code in {69, 77, 78}  # noqa: PT017  one of three ways to end
        return
    if isinstance(outcome, FetchFailure):
        assert outcome.detail
        settle(outcome)
        return
    believed = json.loads(body)
    assert status == 200
    assert str(believed["taskId"]) == TASK_ID
    assert str(believed.get("code") or 0) == "0"
    (fact,) = normalize([outcome]).to_dicts()
    assert fact["status"] == int(believed["status"])
    assert (fact["task_name"] or "") == (believed.get("taskName") or "").replace("\0", "\ufffd")
    settle(outcome)


@given(seed=st.integers(), number=st.integers(0, 10**19 - 1))
def test_the_stand_ins_honest_answers_are_believed(seed, number):
    task = World(seed=seed).task(str(number))
    seen = interpret(reply(msgspec.json.encode(task)), PendingTask(task_id=str(number)), now=NOW)
    assert isinstance(seen, Observation)
    assert (seen.detail.status, seen.detail.task_name) == (task.status, task.task_name)

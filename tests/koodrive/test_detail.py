import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from etl.errors import ConfigurationError, CredentialsRefusedError, UnavailableError
from etl.fake_api.world import World
from etl.koodrive.detail import interpret
from etl.koodrive.error_codes import FATAL_GATEWAY_CODES, GATEWAY_FAILURES, SERVICE_FAILURES
from etl.koodrive.rate_limit_headers import READERS
from etl.koodrive.response import Response
from etl.normalize import normalize
from etl.run.settlement import settlement_of
from etl.tasks import FailureReason, FetchFailure, Observation, PendingTask

TASK_ID = "1534087020903704704"
NOW = datetime(2026, 11, 7, 1, 2, 3, tzinfo=UTC)
SENT_AT = NOW - timedelta(seconds=20)
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
    assert int(normalize([seen])["status"].item()) == int(status)


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
    assert (failure.reason, failure.http_status, failure.error_code) == (FailureReason.BAD_PAYLOAD, 200, None)
    assert (failure.task, failure.failed_at, failure.trace_id) == (TASK, NOW, "t" * 58)
    assert failure.detail


HTTP_STATUSES = {
    "BAD_PAYLOAD": [204, 205],
    "NOT_FOUND": [404, 410],
    "FORBIDDEN": [403],
    "REJECTED": [201, 202, 206, 301, 302, 307, 400, 402, 405, 406, 411, 413, 414, 415, 422, 431, 451, 494, 501, 505],
    "SERVER_ERROR": [409, 421, 423, 425, 500, 502, 503, 504, 520, 522, 524, 530, 599],
    "THROTTLED": [429],
    "UNAUTHORIZED": [401],
    "TIMEOUT": [408],
}


@pytest.mark.parametrize(
    ("reason", "status"), [(reason, status) for reason, statuses in HTTP_STATUSES.items() for status in statuses]
)
@pytest.mark.parametrize("body", [b"", b"<html>no</html>", b"null", b"[" * 100_000, b"\xff", DOCUMENTED])
def test_an_http_status_without_a_code_decides_the_reason(reason, status, body):
    failure = interpreted(body, status=status)
    assert (failure.reason, failure.http_status, failure.error_code) == (FailureReason[reason], status, None)


@pytest.mark.parametrize("body", [b"", {"code": 13000102, "msg": "no"}, {"code": "401", "msg": "no"}])
def test_a_login_portal_ends_the_run(body):
    with pytest.raises(UnavailableError, match="HTTP 511") as caught:
        interpreted(body, status=511)
    assert caught.value.remedy


@pytest.mark.parametrize("code", [13000102, 13000201, 13000309, "401", "APIGW.0601", "APIGW.9999"])
@pytest.mark.parametrize(("status", "reason"), [(401, "UNAUTHORIZED"), (429, "THROTTLED")])
def test_no_code_outweighs_a_401_or_a_429(status, reason, code):
    name = "error_code" if str(code).startswith("API") else "code"
    failure = interpreted({name: code, "msg": "no"}, status=status)
    assert (failure.reason, failure.error_code) == (FailureReason[reason], str(code))


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("body", [b"", {"msg": "go to https://elsewhere.example/?token=secret"}])
def test_a_redirect_is_refused_and_not_quoted(status, body):
    failure = interpreted(body, status=status, headers={"Location": "https://elsewhere.example/?token=secret"})
    assert failure.reason is FailureReason.REJECTED
    assert "redirect" in failure.detail
    assert "elsewhere" not in failure.detail


SENTENCE = "The throttling threshold has been reached: policy user over ratelimit,limit:30,time:1 minute"


@pytest.mark.parametrize(
    ("status", "headers", "reason", "wait_seconds"),
    [
        (403, {"Retry-After": "7"}, "THROTTLED", 7),
        (403, {"retry-after-ms": "1500"}, "THROTTLED", 1.5),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "60"}, "THROTTLED", 60),
        (403, {"X-RateLimit-Remaining": "0"}, "THROTTLED", 0),
        (403, {"X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "60"}, "FORBIDDEN", None),
        (403, {"X-Apig-RateLimit-user": "remain:0,limit:10,time:10 second"}, "THROTTLED", 10),
        (403, {}, "FORBIDDEN", None),
        (403, {"Retry-After": ""}, "FORBIDDEN", None),
        (403, {"Retry-After": "-5"}, "FORBIDDEN", None),
        (403, {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, "FORBIDDEN", None),
        (413, {"Retry-After": "7"}, "THROTTLED", 7),
        (413, {}, "REJECTED", None),
        (503, {"Retry-After": "86400"}, "THROTTLED", 86_400),
        (503, {"Retry-After": "Sat, 07 Nov 2026 01:02:10 GMT"}, "THROTTLED", 7),
        (503, {"Retry-After": "soon"}, "SERVER_ERROR", None),
        (503, {}, "SERVER_ERROR", None),
        (429, {"Retry-After": "7"}, "THROTTLED", 7),
        (429, {"Retry-After": "soon"}, "THROTTLED", None),
        (429, {}, "THROTTLED", None),
        (404, {"Retry-After": "7"}, "NOT_FOUND", None),
        (500, {"Retry-After": "7"}, "SERVER_ERROR", None),
        (401, {"Retry-After": "7"}, "UNAUTHORIZED", None),
        (302, {"Retry-After": "7"}, "REJECTED", None),
    ],
)
def test_a_wait_in_the_headers_makes_a_refusal_a_throttling(status, headers, reason, wait_seconds):
    failure = interpreted(b"", status=status, headers=headers)
    assert (failure.reason, failure.wait_seconds) == (FailureReason[reason], wait_seconds)


@pytest.mark.parametrize("http_status", [200, 400, 401, 403, 429, 500, 503])
@pytest.mark.parametrize(
    "body",
    [
        *[{"error_code": f"{family}.0308", "error_msg": SENTENCE} for family in ("APIG", "APIGW", "CCE")],
        {"code": "APIGW.0308", "msg": SENTENCE},
    ],
)
def test_the_gateways_throttling_code_counts_with_any_status(body, http_status):
    failure = interpreted(body, status=http_status, headers={"retry-after": "7"})
    assert (failure.reason, failure.error_code) == (FailureReason.THROTTLED, body.get("error_code") or body["code"])
    assert (failure.wait_seconds, failure.allowed_rate, failure.detail) == (7, 0.5, SENTENCE)


@pytest.mark.parametrize("status", [403, 429, 503])
def test_a_senseless_wait_is_quoted_in_the_detail(status):
    failure = interpreted(b"", status=status, headers={"Retry-After": "soon" * 1000})
    assert "Retry-After 'soonsoon" in failure.detail
    assert len(failure.detail) < 200


class Untouchable(Mapping):
    """Headers that fail when they are read."""

    def __getitem__(self, name):
        raise AssertionError(name)

    __iter__ = __len__ = __getitem__


def test_the_headers_of_a_good_answer_are_not_read():
    good = msgspec.structs.replace(response(DOCUMENTED), headers=Untouchable())
    assert isinstance(interpret(good, TASK, now=NOW), Observation)


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
        ({"code": 17, "msg": "authentication failed"}, FailureReason.REJECTED, "17"),
    ],
)
def test_errors_of_every_documented_form_are_classified(body, reason, code, http_status):
    failure = interpreted(body, status=http_status)
    assert (failure.reason, failure.error_code, failure.http_status) == (reason, code, http_status)


@pytest.mark.parametrize("http_status", [200, 400, 403, 404, 500])
@pytest.mark.parametrize("family", ["APIG", "APIGW"])
@pytest.mark.parametrize("number", GATEWAY_FAILURES)
def test_gateway_codes_outweigh_their_status(family, number, http_status):
    body = {"error_code": f"{family}.{number}", "error_msg": "wait", "request_id": "17"}
    failure = interpreted(body, status=http_status)
    assert (failure.reason, failure.error_code) == (GATEWAY_FAILURES[number], f"{family}.{number}")
    assert failure.detail == "wait"


@pytest.mark.parametrize("http_status", [200, 400, 401, 403, 404, 405])
@pytest.mark.parametrize("family", ["APIG", "APIGW"])
@pytest.mark.parametrize("number", FATAL_GATEWAY_CODES)
def test_gateway_codes_that_concern_every_request_end_the_run(family, number, http_status):
    fatal = FATAL_GATEWAY_CODES[number]
    with pytest.raises(fatal.error, match=f"{family}.{number} no entry") as caught:
        interpreted({"error_code": f"{family}.{number}", "error_msg": "no entry"}, status=http_status)
    assert caught.value.remedy
    assert caught.value.code is fatal.code


@pytest.mark.parametrize(
    ("code", "http_status", "expected"),
    [
        ("APIGW.0101", 404, ConfigurationError),
        ("APIGW.0301", 401, FailureReason.UNAUTHORIZED),
        ("APIG.0303", 401, FailureReason.UNAUTHORIZED),
        ("APIGW.0303", 400, FailureReason.UNAUTHORIZED),
        ("APIGW.0305", 403, FailureReason.UNAUTHORIZED),
        ("APIGW.0307", 200, FailureReason.UNAUTHORIZED),
        ("APIGW.0311", 401, FailureReason.UNAUTHORIZED),
        *[(f"APIGW.{number}", 403, CredentialsRefusedError) for number in ("0302", "0304", "0306", "0310")],
        *[(f"APIGW.{number}", 403, CredentialsRefusedError) for number in ("0401", "0402")],
        *[(f"APIG.{number}", 403, ConfigurationError) for number in ("0801", "0802")],
        ("APIGW.0607", 400, ConfigurationError),
        ("APIGW.0308", 429, FailureReason.THROTTLED),
        ("APIGW.0501", 405, UnavailableError),
        ("APIGW.0502", 405, UnavailableError),
        ("APIGW.0201", 400, FailureReason.REJECTED),
        ("APIGW.0106", 400, FailureReason.REJECTED),
        ("APIGW.0602", 400, FailureReason.REJECTED),
        ("APIGW.0201", 413, FailureReason.REJECTED),
        ("APIGW.0201", 414, FailureReason.REJECTED),
        ("APIGW.0201", 494, FailureReason.REJECTED),
        ("APIGW.0201", 502, FailureReason.SERVER_ERROR),
        ("APIGW.0201", 504, FailureReason.SERVER_ERROR),
        ("APIGW.0103", 404, FailureReason.SERVER_ERROR),
        ("APIG.0103", 500, FailureReason.SERVER_ERROR),
        ("APIGW.0105", 400, FailureReason.SERVER_ERROR),
        ("APIGW.0404", 403, FailureReason.SERVER_ERROR),
        ("APIGW.0601", 200, FailureReason.SERVER_ERROR),
        ("APIGW.0610", 502, FailureReason.SERVER_ERROR),
        ("APIGW.0613", 503, FailureReason.SERVER_ERROR),
        ("APIGW.9999", 500, FailureReason.SERVER_ERROR),
        ("APIGW.9999", 404, FailureReason.NOT_FOUND),
        ("APIGW.9999", 200, FailureReason.REJECTED),
    ],
)
def test_gateway_codes_have_their_documented_meaning(code, http_status, expected):
    body = {"error_code": code, "error_msg": "m"}
    if isinstance(expected, FailureReason):
        assert interpreted(body, status=http_status).reason is expected
    else:
        with pytest.raises(expected):
            interpreted(body, status=http_status)


@pytest.mark.parametrize("body", [with_fields(code=13000201), with_fields(error_code="APIGW.0601", code=...)])
def test_an_error_is_an_error_even_beside_the_fields_of_a_task(body):
    assert interpreted(body).reason is FailureReason.SERVER_ERROR


@pytest.mark.parametrize("content_type", ["text/html", "text/plain", "application/xml"])
def test_an_html_page_is_a_server_error(content_type):
    failure = interpreted(b"<html>Back soon</html>", content_type=content_type)
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
    settlement_of(outcome)
    if isinstance(outcome, FetchFailure):
        assert outcome.detail
        return
    assert status == 200
    believed = read_by_the_book(body)
    assert str(believed["taskId"]) == TASK_ID
    assert str(believed.get("code") or 0) == "0"
    assert without_names(outcome.drift) == list(differences(believed))
    (fact,) = normalize([outcome]).to_dicts()
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
    if int(believed["status"]) not in range(4):
        yield f"unknown status {int(believed['status'])}"
    if believed.get("taskType") is not None and int(believed["taskType"]) not in (0, 1):
        yield f"unknown taskType {int(believed['taskType'])}"
    yield from ["unknown field"] * len(believed.keys() - types.keys())


def without_names(drift):
    return [text if not text.startswith("unknown field") else "unknown field" for text in drift]


PIECES = ["{", "}", ",", ":", '"', "\\", "[", "]", " ", "null", "0", "3", "NaN", '"status":3', '"resultCode":null']
PIECES += [f'"{name}":' for name in DOCUMENTED] + [json.dumps(TASK_ID), '"a":1', '"code":0', "\\u0073", "\ufeff"]


@given(places=st.lists(st.tuples(st.integers(0, 250), st.integers(0, 12), st.sampled_from(PIECES)), max_size=3))
@example(places=[(1, 0, '"a":1,')])
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
    assert interpreted(json.dumps(DOCUMENTED).encode()[:end]).reason is FailureReason.BAD_PAYLOAD


@given(seed=st.integers(), number=st.integers(0, 10**19 - 1))
def test_the_stand_ins_honest_answers_become_observations(seed, number):
    task = World(seed=seed).task(str(number))
    seen = interpret(response(msgspec.json.encode(task)), PendingTask(task_id=str(number)), now=NOW)
    assert isinstance(seen, Observation)
    assert (seen.detail.status, seen.detail.task_name, seen.drift) == (task.status, task.task_name, ())

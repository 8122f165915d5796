import re
from http import HTTPStatus

import pytest

from etl.error_codes import Code
from etl.errors import ConfigurationError, CredentialsRefusedError, OutageError, UnavailableError
from etl.koodrive.response_codes import FATAL_GATEWAY_CODES, GATEWAY_FAILURES, SERVICE_FAILURES
from etl.tasks.failure_reasons import FailureReason
from tests.koodrive.task_responses import DOCUMENTED, TASK_ID, interpreted, with_fields


def meaning(failure):
    """What a failure says about its task; only a response with a code of KooDrive's own says so at once."""
    if failure.reason is FailureReason.UNRECOGNIZED:
        assert failure.ending is not None
        assert not failure.is_lasting
        return failure.own_reason
    is_own = re.fullmatch("[0-9]{8}", failure.error_code or "") is not None
    assert is_own or not failure.reason.recovery.is_lasting
    return failure.reason


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
    assert (meaning(failure), failure.http_status, failure.error_code) == (FailureReason[reason], status, None)


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
@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("https://elsewhere.example/?token=secret", " to https://elsewhere.example,"),
        ("http://user:secret@elsewhere.example:8080/secret#secret", " to http://elsewhere.example:8080,"),
        ("//elsewhere.example/secret", " to http://elsewhere.example,"),
        ("/login?token=secret", " to the same server,"),
        ("https://[secret", ","),
        ("https://elsewhere.example:secret/", ","),
        ("", ","),
    ],
)
def test_a_redirect_names_only_the_server_that_it_leads_to(status, body, location, named):
    failure = interpreted(body, status=status, headers={"Location": location})
    assert meaning(failure) is FailureReason.REJECTED
    assert f"a redirect{named} was refused" in failure.detail
    assert "secret" not in failure.detail


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
    assert (meaning(failure), failure.wait_seconds) == (FailureReason[reason], wait_seconds)
    assert failure.may_be_outage == (status == HTTPStatus.SERVICE_UNAVAILABLE and wait_seconds is not None)


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
    assert not failure.may_be_outage


@pytest.mark.parametrize("status", [403, 429, 503])
def test_a_senseless_wait_is_quoted_in_the_detail(status):
    failure = interpreted(b"", status=status, headers={"Retry-After": "soon" * 1000})
    assert "Retry-After 'soonsoon" in failure.detail
    assert len(failure.detail) < 200


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
    if http_status == 200 and failure.reason is FailureReason.UNRECOGNIZED:
        reason = FailureReason.BAD_PAYLOAD
    assert (meaning(failure), failure.error_code, failure.http_status) == (reason, code, http_status)


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
    with pytest.raises(fatal.error, match=rf"request: HTTP {http_status} {family}\.{number}\. ") as caught:
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
        ("APIGW.9999", 200, FailureReason.BAD_PAYLOAD),
    ],
)
def test_gateway_codes_have_their_documented_meaning(code, http_status, expected):
    body = {"error_code": code, "error_msg": "m"}
    if isinstance(expected, FailureReason):
        assert meaning(interpreted(body, status=http_status)) is expected
    else:
        with pytest.raises(expected):
            interpreted(body, status=http_status)


@pytest.mark.parametrize("body", [with_fields(code=13000201), with_fields(error_code="APIGW.0601", code=...)])
def test_an_error_is_an_error_even_beside_the_fields_of_a_task(body):
    assert interpreted(body).reason is FailureReason.SERVER_ERROR


@pytest.mark.parametrize("content_type", ["text/html", "text/plain", "application/xml"])
def test_a_page_of_another_server_is_unrecognized(content_type):
    failure = interpreted(b"<html><title> Back soon\n</title></html>", content_type=content_type)
    assert (failure.reason, failure.http_status) == (FailureReason.UNRECOGNIZED, 200)
    assert failure.detail == f"200 with {content_type}, not JSON: Back soon"


OTHERS = [
    b"",
    b"<html>no</html>",
    {"ok": True},
    {"code": 404, "message": "Not Found"},
    {"code": "not_found", "msg": "no"},
    {"code": 40400, "msg": "no"},
    {"error_code": "E" * 36, "error_msg": "m"},
    {"timestamp": "2026-11-07", "status": 404, "error": "Not Found", "path": f"/koodrive/ose/v1/task/{TASK_ID}"},
]


@pytest.mark.parametrize("body", OTHERS, ids=str)
def test_no_status_ends_a_task_without_a_code_of_koodrives_own(body):
    for status in (200, *range(300, 600)):
        try:
            failure = interpreted(body, status=status)
        except (CredentialsRefusedError, UnavailableError):
            assert status in {407, 511}
            continue
        assert not failure.is_lasting, status
        assert meaning(failure), status


def test_a_proxy_that_demands_credentials_ends_the_run():
    with pytest.raises(CredentialsRefusedError, match="HTTP 407") as caught:
        interpreted(b"<html>Squid</html>", status=407)
    assert caught.value.code is Code.PROXY_CREDENTIALS_REFUSED


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (200, OutageError, Code.API_INTERCEPTED),
        (302, OutageError, Code.API_INTERCEPTED),
        (301, ConfigurationError, Code.API_ADDRESS_WRONG),
        (308, ConfigurationError, Code.API_ADDRESS_WRONG),
        (403, CredentialsRefusedError, Code.API_FORBIDDEN),
        (404, ConfigurationError, Code.API_ADDRESS_WRONG),
        (418, ConfigurationError, Code.API_ADDRESS_WRONG),
        (501, OutageError, Code.API_INTERCEPTED),
    ],
)
def test_a_status_says_how_a_run_ends_that_gets_no_other(status, error, code):
    ending = interpreted(b"<html>no</html>", status=status).ending
    assert (ending.error, ending.code) == (error, code)

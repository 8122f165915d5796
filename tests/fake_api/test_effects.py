import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec
import pytest

from etl.fake_api import Behaviour, Fault
from etl.fake_api.effects import EFFECTS, PAGES, THEMES
from etl.fake_api.effects.bodies import (
    FAT_NAME_CHARACTERS,
    HUGE_INTEGER_DIGITS,
    NESTING,
    OVERSIZED_PADDING_BYTES,
    WIDE_TEXT,
)
from etl.fake_api.effects.drift import HOSTILE_TEXT
from etl.tasks.detail import API_FIELDS
from tests.fake_api.faulty import BROKEN_CONNECTIONS, TASK_ID, with_fault

SERVICE_ERRORS = {
    "not_found": (404, 13000309),
    "forbidden": (400, 13000410),
    "http_400": (400, 13000102),
    "http_400_unknown": (400, 99000001),
    "http_404": (404, 13000309),
    "business_error_200": (200, 13000201),
}

GATEWAY_ERRORS = {
    "http_401": (401, "APIGW.0301"),
    "http_403": (403, "APIGW.0304"),
    "http_405": (405, "APIGW.0501"),
    "http_413_retry_after": (413, "APIGW.0201"),
    "http_429": (429, "APIGW.0308"),
    "http_494": (494, "APIGW.0201"),
    "http_500": (500, "APIGW.0601"),
    "http_502": (502, "APIGW.0201"),
    "http_503": (503, "APIGW.0613"),
    "http_504": (504, "APIGW.0201"),
    "gateway_error_200": (200, "APIGW.0601"),
    "throttled_200": (200, "APIG.0308"),
    "throttled_503_code": (503, "APIGW.0308"),
    "throttled_retry_after": (429, "APIGW.0308"),
    "throttled_date": (429, "APIGW.0308"),
    "throttled_absurd": (429, "APIGW.0308"),
    "unavailable_retry_after": (503, "APIGW.0613"),
}

RETRY_AFTER = {
    "http_413_retry_after": "1",
    "throttled_retry_after": "1",
    "throttled_absurd": "soon",
    "unavailable_retry_after": "1",
}

HTML_PAGES = {
    "html_200": 200,
    "http_408": 408,
    "http_409": 409,
    "http_410": 410,
    "http_421": 421,
    "http_423": 423,
    "http_425": 425,
    "http_501": 501,
    "http_505": 505,
    "http_511": 511,
    "http_520": 520,
}

CHANGED_DETAILS = {
    "wrong_task": {"taskId": "1534087020903704705"},
    "unknown_status": {"status": 7},
    "text_numbers": {"status": "3", "code": "0", "taskType": "0"},
    "oversized": {"padding": "x" * OVERSIZED_PADDING_BYTES},
    "long_texts": {"taskName": WIDE_TEXT, "msg": WIDE_TEXT, "tenantId": "t" * 255, "userId": "u" * 255},
    "fat_name": {"taskName": "x" * FAT_NAME_CHARACTERS},
    "unknown_field": {"ownerName": "Wang Fang"},
    "changed_type": {"status": "3", "taskType": "0"},
    "new_result_code": {"status": 3, "resultCode": "18999999"},
    "hostile_text": {"taskName": HOSTILE_TEXT, "msg": HOSTILE_TEXT},
    "duplicate_keys": {"status": 0},
}

LEFT_OUT = {
    "missing_fields": {field.api_name for field in API_FIELDS} - {"taskId", "status"},
    "missing_name": {"taskName"},
}

NOT_JSON = {
    "empty_body": "truncated",
    "truncated_json": "truncated",
    "invalid_json": "malformed",
    "nan_json": "malformed",
    "byte_order_mark": "malformed",
}
"""The error of a strict parser of JSON in UTF-8."""

PIECES = {
    "nan_json": b',"progress":NaN}',
    "duplicate_keys": b'"status":3',
    "deep_json": b"[" * NESTING + b"]" * NESTING,
    "huge_integer": b'"status":' + b"9" * HUGE_INTEGER_DIGITS + b",",
    "invalid_utf8": b'"taskName":"\xff\xfe"',
    "lone_surrogate": rb'"taskName":"\ud800"',
    "byte_order_mark": b'\xef\xbb\xbf{"taskId"',
}
"""Pieces of bodies on which parsers disagree."""


ONE_OF_A_KIND = {"http_204", "http_403_plain", "redirect", "plain_text", "gzip", "gzip_bomb"}

OVER_A_BARE_CONNECTION = {"cut_without_length", "endless_body"}


TESTED_FAULTS = (
    {*SERVICE_ERRORS, *GATEWAY_ERRORS, *HTML_PAGES, *CHANGED_DETAILS, *LEFT_OUT, *NOT_JSON, *PIECES}
    | {*BROKEN_CONNECTIONS}
    | ONE_OF_A_KIND
    | OVER_A_BARE_CONNECTION
    | {*PAGES}
)


def test_this_module_shows_every_fault():
    assert set(EFFECTS) == TESTED_FAULTS


def test_no_name_is_in_two_themes():
    assert sum(map(len, THEMES)) == len(EFFECTS)


@pytest.mark.parametrize(("name", "expected"), SERVICE_ERRORS.items(), ids=SERVICE_ERRORS)
def test_service_errors_have_the_documented_form(responses_of, name, expected):
    (response,), _ = responses_of(with_fault(name), TASK_ID)
    assert (response.status, response.json["code"]) == expected
    assert set(response.json) == {"code", "msg"}


@pytest.mark.parametrize(("name", "expected"), GATEWAY_ERRORS.items(), ids=GATEWAY_ERRORS)
def test_gateway_errors_have_the_documented_form(responses_of, name, expected):
    (response,), _ = responses_of(with_fault(name), TASK_ID)
    assert (response.status, response.json["error_code"]) == expected
    assert set(response.json) == {"error_code", "error_msg", "request_id"}


@pytest.mark.parametrize(("name", "changed"), CHANGED_DETAILS.items(), ids=CHANGED_DETAILS)
def test_changed_details_differ_only_in_the_named_fields(responses_of, honest, name, changed):
    (response,), _ = responses_of(with_fault(name), TASK_ID)
    assert response.status == 200
    assert {field for field in honest.json if response.json.get(field) != honest.json[field]} <= {
        *changed,
        "resultCode",
    }
    assert {field: response.json[field] for field in changed} == changed


@pytest.mark.parametrize(("name", "left_out"), LEFT_OUT.items(), ids=LEFT_OUT)
def test_incomplete_details_lack_only_the_named_fields(responses_of, honest, name, left_out):
    (response,), _ = responses_of(with_fault(name), TASK_ID)
    assert response.json == {field: value for field, value in honest.json.items() if field not in left_out}
    assert left_out <= set(honest.json)


def test_hostile_text_contains_every_dangerous_piece():
    pieces = ("=cmd()", "\x00", "\x1b[", "\r\n", "<script>", "'", '"', "\u202e")
    assert [piece for piece in pieces if piece not in HOSTILE_TEXT] == []
    assert len(HOSTILE_TEXT) == 10_240


@pytest.mark.parametrize(("name", "complaint"), NOT_JSON.items(), ids=NOT_JSON)
def test_a_strict_parser_rejects_bodies_that_are_not_json(responses_of, name, complaint):
    (response,), _ = responses_of(with_fault(name), TASK_ID)
    assert (response.status, response.content_type) == (200, "application/json")
    with pytest.raises(msgspec.DecodeError, match=complaint):
        _ = response.json


@pytest.mark.parametrize(("name", "piece"), PIECES.items(), ids=PIECES)
def test_bodies_on_which_parsers_disagree_contain_their_piece(responses_of, name, piece):
    (response,), _ = responses_of(with_fault(name), TASK_ID)
    assert (response.status, response.content_type) == (200, "application/json")
    assert piece in response.body
    assert f'"taskId":"{TASK_ID}"'.encode() in response.body


def test_a_lenient_parser_reads_the_fields_next_to_a_nan_or_a_surrogate(responses_of, honest):
    for name, field in (("nan_json", "progress"), ("lone_surrogate", "taskName")):
        (response,), _ = responses_of(with_fault(name), TASK_ID)
        lenient = json.loads(response.body)
        assert {key for key in lenient if lenient[key] != honest.json.get(key)} == {field}


@pytest.mark.parametrize(("name", "status"), HTML_PAGES.items(), ids=HTML_PAGES)
def test_proxy_errors_are_html_pages(responses_of, name, status):
    (response,), _ = responses_of(with_fault(name), TASK_ID)
    assert (response.status, response.content_type) == (status, "text/html")
    assert response.body.startswith(b"<!DOCTYPE html>")


@pytest.mark.parametrize("form", ["html", "json"])
@pytest.mark.parametrize("status", [200, 300, 304, 404, 407, 418, 599])
def test_pages_of_other_servers_have_any_status_and_say_nothing_of_the_task(responses_of, form, status):
    (response,), _ = responses_of(with_fault(f"{form}_{status}"), TASK_ID)
    assert response.status == status
    assert TASK_ID.encode() not in response.body
    assert b"code" not in response.body
    assert ("Location" in response.headers) == (300 <= status < 400)


def test_http_204_has_no_body(responses_of):
    (response,), _ = responses_of(with_fault("http_204"), TASK_ID)
    assert (response.status, response.body) == (204, b"")


def test_a_plain_403_is_text_without_a_code(responses_of):
    (response,), _ = responses_of(with_fault("http_403_plain"), TASK_ID)
    assert (response.status, response.content_type, response.body) == (403, "text/plain", b"Forbidden")


@pytest.mark.parametrize(
    ("ordered", "location"),
    [({}, "http://169.254.169.254/latest/"), ({"redirect_to": "http://127.0.0.1:9/"}, "http://127.0.0.1:9/")],
)
def test_a_redirect_names_the_configured_target(responses_of, ordered, location):
    (response,), _ = responses_of(Behaviour(faults=(Fault(name="redirect", rate=1),), **ordered), TASK_ID)
    assert (response.status, response.headers["Location"]) == (302, location)


@pytest.mark.parametrize("name", sorted(GATEWAY_ERRORS.keys() - {"throttled_date"}))
def test_retry_after_is_sent_with_its_faults_only(responses_of, name):
    (response,), _ = responses_of(with_fault(name), TASK_ID)
    assert response.headers.get("Retry-After") == RETRY_AFTER.get(name)


def test_retry_after_can_be_a_date(responses_of):
    (response,), _ = responses_of(with_fault("throttled_date"), TASK_ID)
    ahead = parsedate_to_datetime(response.headers["Retry-After"]) - datetime.now(UTC)
    assert response.headers["Retry-After"].endswith("GMT")
    assert -30 < ahead.total_seconds() <= 2


def test_plain_text_is_the_honest_detail_with_another_type(responses_of, honest):
    (response,), _ = responses_of(with_fault("plain_text"), TASK_ID)
    assert (response.status, response.content_type, response.json) == (200, "text/plain", honest.json)


def test_a_fault_of_the_first_requests_ends_after_them(responses_of):
    behaviour = Behaviour(faults=(Fault(name="http_503", rate=1, first_asks=2),))
    responses, api = responses_of(behaviour, TASK_ID, TASK_ID, TASK_ID)
    assert [response.status for response in responses] == [503, 503, 200]
    assert api.stats.faults == {"http_503": 2}

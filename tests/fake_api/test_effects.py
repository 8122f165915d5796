import asyncio
import gzip
import json
import zlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
import msgspec
import pytest

from etl.fake_api import Behaviour, FakeApi, Fault
from etl.fake_api.effects import EFFECTS, PAGES, THEMES
from etl.fake_api.effects.bodies import HUGE_INTEGER_DIGITS, OVERSIZED_PADDING_BYTES, bomb
from etl.fake_api.effects.connections import HEADER_LINES
from etl.fake_api.effects.drift import HOSTILE_TEXT

TASK_ID = "1534087020903704704"

FAILED_SEED = 7
"""With this seed the task above has failed, so that its detail has every field."""

SERVICE_ERRORS = {
    "not_found": (404, 13000309),
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

PAGES_FOR_PEOPLE = {
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
    "unknown_field": {"ownerName": "Wang Fang"},
    "changed_type": {"status": "3", "taskType": "0"},
    "new_result_code": {"status": 3, "resultCode": "18999999"},
    "hostile_text": {"taskName": HOSTILE_TEXT, "msg": HOSTILE_TEXT},
    "duplicate_keys": {"status": 0},
}

LEFT_OUT = {
    "missing_fields": {"taskName", "taskType", "tenantId", "userId", "resultCode", "code", "msg"},
    "missing_name": {"taskName"},
}

NOT_JSON = {
    "empty_body": "truncated",
    "truncated_json": "truncated",
    "invalid_json": "malformed",
    "nan_json": "malformed",
    "byte_order_mark": "malformed",
}
"""What a strict parser of JSON in UTF-8 says."""

PIECES = {
    "nan_json": b',"progress":NaN}',
    "duplicate_keys": b'"status":3',
    "deep_json": b"[" * 100_000 + b"]" * 100_000,
    "huge_integer": b'"status":' + b"9" * HUGE_INTEGER_DIGITS + b",",
    "invalid_utf8": b'"taskName":"\xff\xfe"',
    "lone_surrogate": rb'"taskName":"\ud800"',
    "byte_order_mark": b'\xef\xbb\xbf{"taskId"',
}
"""What stands in bodies that parsers disagree on."""

BROKEN_CONNECTIONS = {
    "cut_body": aiohttp.ClientPayloadError,
    "cut_chunked": aiohttp.ClientPayloadError,
    "many_headers": aiohttp.ClientResponseError,
    "reset": aiohttp.ClientOSError,
    "close_kept_alive": aiohttp.ServerDisconnectedError,
    "slow_body": TimeoutError,
    "slow_headers": TimeoutError,
    "stall": TimeoutError,
}

ONE_OF_A_KIND = {"http_204", "http_403_plain", "redirect", "plain_text", "gzip", "gzip_bomb"}

OVER_A_BARE_CONNECTION = {"cut_without_length", "endless_body"}

HELD = ("endless_body", "slow_body", "slow_headers", "stall")
"""What goes on until somebody hangs up."""

SEEN_BELOW = (
    {*SERVICE_ERRORS, *GATEWAY_ERRORS, *PAGES_FOR_PEOPLE, *CHANGED_DETAILS, *LEFT_OUT, *NOT_JSON, *PIECES}
    | {*BROKEN_CONNECTIONS}
    | ONE_OF_A_KIND
    | OVER_A_BARE_CONNECTION
    | {*PAGES}
)


def showing(name):
    return Behaviour(seed=FAILED_SEED, faults=(Fault(name=name, rate=1),))


@pytest.fixture
def honest(told):
    (answer,), _ = told(Behaviour(seed=FAILED_SEED), TASK_ID)
    return answer


def test_every_fault_is_seen_here_and_those_of_the_list_beside_it():
    assert set(EFFECTS) == SEEN_BELOW


def test_no_name_stands_in_two_themes():
    assert sum(map(len, THEMES)) == len(EFFECTS)


@pytest.mark.parametrize(("name", "expected"), SERVICE_ERRORS.items(), ids=SERVICE_ERRORS)
def test_service_errors(told, name, expected):
    (answer,), _ = told(showing(name), TASK_ID)
    assert (answer.status, answer.json["code"]) == expected
    assert set(answer.json) == {"code", "msg"}


@pytest.mark.parametrize(("name", "expected"), GATEWAY_ERRORS.items(), ids=GATEWAY_ERRORS)
def test_gateway_errors(told, name, expected):
    (answer,), _ = told(showing(name), TASK_ID)
    assert (answer.status, answer.json["error_code"]) == expected
    assert set(answer.json) == {"error_code", "error_msg", "request_id"}


@pytest.mark.parametrize(("name", "changed"), CHANGED_DETAILS.items(), ids=CHANGED_DETAILS)
def test_details_that_are_not_as_they_should_be(told, honest, name, changed):
    (answer,), _ = told(showing(name), TASK_ID)
    assert answer.status == 200
    assert {field for field in honest.json if answer.json.get(field) != honest.json[field]} <= {*changed, "resultCode"}
    assert {field: answer.json[field] for field in changed} == changed


@pytest.mark.parametrize(("name", "left_out"), LEFT_OUT.items(), ids=LEFT_OUT)
def test_details_that_lack_something(told, honest, name, left_out):
    (answer,), _ = told(showing(name), TASK_ID)
    assert answer.json == {field: value for field, value in honest.json.items() if field not in left_out}
    assert left_out <= set(honest.json)


def test_hostile_text_has_everything_that_may_be_taken_for_something_else():
    pieces = ("=cmd()", "\x00", "\x1b[", "\r\n", "<script>", "'", '"', "\u202e")
    assert [piece for piece in pieces if piece not in HOSTILE_TEXT] == []
    assert len(HOSTILE_TEXT) == 10_240


@pytest.mark.parametrize(("name", "complaint"), NOT_JSON.items(), ids=NOT_JSON)
def test_bodies_that_are_no_json(told, name, complaint):
    (answer,), _ = told(showing(name), TASK_ID)
    assert (answer.status, answer.content_type) == (200, "application/json")
    with pytest.raises(msgspec.DecodeError, match=complaint):
        _ = answer.json


@pytest.mark.parametrize(("name", "piece"), PIECES.items(), ids=PIECES)
def test_bodies_that_parsers_disagree_on(told, name, piece):
    (answer,), _ = told(showing(name), TASK_ID)
    assert (answer.status, answer.content_type) == (200, "application/json")
    assert piece in answer.body
    assert f'"taskId":"{TASK_ID}"'.encode() in answer.body


def test_a_lenient_parser_reads_the_facts_beside_a_nan_and_a_surrogate(told, honest):
    for name, field in (("nan_json", "progress"), ("lone_surrogate", "taskName")):
        (answer,), _ = told(showing(name), TASK_ID)
        lenient = json.loads(answer.body)
        assert {key for key in lenient if lenient[key] != honest.json.get(key)} == {field}


@pytest.mark.parametrize(("name", "status"), PAGES_FOR_PEOPLE.items(), ids=PAGES_FOR_PEOPLE)
def test_pages_for_people(told, name, status):
    (answer,), _ = told(showing(name), TASK_ID)
    assert (answer.status, answer.content_type) == (status, "text/html")
    assert answer.body.startswith(b"<!DOCTYPE html>")


def test_no_content(told):
    (answer,), _ = told(showing("http_204"), TASK_ID)
    assert (answer.status, answer.body) == (204, b"")


def test_forbidden_by_no_gateway(told):
    (answer,), _ = told(showing("http_403_plain"), TASK_ID)
    assert (answer.status, answer.content_type, answer.body) == (403, "text/plain", b"Forbidden")


@pytest.mark.parametrize(
    ("ordered", "location"),
    [({}, "http://169.254.169.254/latest/"), ({"redirect_to": "http://127.0.0.1:9/"}, "http://127.0.0.1:9/")],
)
def test_redirect(told, ordered, location):
    (answer,), _ = told(Behaviour(faults=(Fault(name="redirect", rate=1),), **ordered), TASK_ID)
    assert (answer.status, answer.headers["Location"]) == (302, location)


@pytest.mark.parametrize("name", sorted(GATEWAY_ERRORS.keys() - {"throttled_date"}))
def test_retry_after(told, name):
    (answer,), _ = told(showing(name), TASK_ID)
    assert answer.headers.get("Retry-After") == RETRY_AFTER.get(name)


def test_retry_after_a_date(told):
    (answer,), _ = told(showing("throttled_date"), TASK_ID)
    ahead = parsedate_to_datetime(answer.headers["Retry-After"]) - datetime.now(UTC)
    assert answer.headers["Retry-After"].endswith("GMT")
    assert -30 < ahead.total_seconds() <= 2


def test_plain_text(told, honest):
    (answer,), _ = told(showing("plain_text"), TASK_ID)
    assert (answer.status, answer.content_type, answer.json) == (200, "text/plain", honest.json)


def test_gzip_is_sent_to_who_does_not_accept_it(bare_answer, honest):
    head, body = asyncio.run(_read_bare(bare_answer, "gzip", honest_length=True))
    assert b"\r\nContent-Encoding: gzip\r\n" in head
    assert msgspec.json.decode(gzip.decompress(body)) == honest.json


def test_gzip_bomb(bare_answer):
    head, body = asyncio.run(_read_bare(bare_answer, "gzip_bomb", honest_length=True))
    assert b"\r\nContent-Encoding: gzip\r\n" in head
    assert body == bomb()
    assert len(body) < 70_000
    expander, expanded_bytes = zlib.decompressobj(wbits=31), 0
    while not expander.eof:
        expanded_bytes += len(expander.decompress(expander.unconsumed_tail or body, 1_048_576))
    assert expanded_bytes == 64 * 1_048_576 + len("{}")


def test_cut_without_length_looks_like_an_end(bare_answer, honest):
    head, body = asyncio.run(_read_bare(bare_answer, "cut_without_length"))
    assert b"Connection: close" in head
    assert b"Content-Length" not in head
    assert body == honest.body[: len(honest.body) // 2]


def test_cut_chunked_has_no_last_chunk(bare_answer):
    head, body = asyncio.run(_read_bare(bare_answer, "cut_chunked"))
    assert b"Transfer-Encoding: chunked" in head
    assert body
    assert b"\r\n0\r\n" not in body


def test_many_headers_stand_above_the_honest_detail(bare_answer, honest):
    head, body = asyncio.run(_read_bare(bare_answer, "many_headers"))
    assert head.count(b"\r\nX-Padding-") == HEADER_LINES
    assert body == honest.body


@pytest.mark.parametrize(("name", "expected"), [("close_kept_alive", b""), ("reset", ConnectionResetError)])
def test_connections_without_an_answer(bare_answer, name, expected):
    async def scenario():
        async with FakeApi(showing(name)) as api, bare_answer(api.base_url, TASK_ID) as stream:
            try:
                return await stream.read(), api.stats.by_status
            except ConnectionError as error:
                return type(error), api.stats.by_status

    assert asyncio.run(scenario()) == (expected, {0: 1})


def test_endless_body_begins_with_the_honest_detail(bare_answer, honest):
    async def scenario():
        async with (
            FakeApi(showing("endless_body")) as api,
            bare_answer(api.base_url, TASK_ID) as stream,
            asyncio.timeout(20),
        ):
            head = await stream.readuntil(b"\r\n\r\n")
            return head, await stream.readexactly(20_000_000)

    head, body = asyncio.run(scenario())
    assert b"Transfer-Encoding: chunked" in head
    assert honest.body in body[:1000]
    assert b"\r\n0\r\n" not in body


@pytest.mark.parametrize(
    ("name", "trickled"), [("slow_headers", b"X-Padding: xxxxx"), ("slow_body", b'\r\n\r\n{"taskId"')]
)
def test_trickles(bare_answer, monkeypatch, name, trickled):
    monkeypatch.setattr("etl.fake_api.effects.connections.TRICKLE_SECONDS", 0.001)

    async def scenario():
        async with FakeApi(showing(name)) as api, bare_answer(api.base_url, TASK_ID) as stream, asyncio.timeout(20):
            return await stream.readuntil(trickled)

    assert asyncio.run(scenario()).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_slow_body_ends_for_who_has_patience(told, honest, monkeypatch):
    monkeypatch.setattr("etl.fake_api.effects.connections.TRICKLE_SECONDS", 0.0)
    (answer,), _ = told(showing("slow_body"), TASK_ID)
    assert answer.json == honest.json


async def _read_bare(bare_answer, name, *, honest_length=False):
    """Read an answer's head and body, up to the end of the connection or to the length that the head gives."""
    async with (
        FakeApi(showing(name)) as api,
        bare_answer(api.base_url, TASK_ID) as stream,
        asyncio.timeout(20),
    ):
        if not honest_length:
            head, _, body = (await stream.read()).partition(b"\r\n\r\n")
            return head, body
        head = await stream.readuntil(b"\r\n\r\n")
        length = head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]
        return head, await stream.readexactly(int(length))


@pytest.mark.parametrize(("name", "error_type"), BROKEN_CONNECTIONS.items(), ids=BROKEN_CONNECTIONS)
def test_broken_connections(told, name, error_type):
    with pytest.raises(error_type):
        told(showing(name), TASK_ID, timeout_seconds=0.2)


@pytest.mark.parametrize("name", HELD)
def test_what_is_held_ends_with_the_server(ask, name):
    async def scenario():
        async with FakeApi(showing(name)) as api:
            stalled = asyncio.create_task(ask(api.base_url, TASK_ID))
            while not api.stats.faults[name]:  # noqa: ASYNC110  the stand-in has no event for it
                await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await stalled

    # aiohttp asks once more by itself when a server hangs up, and then finds the port closed.
    with pytest.raises((aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)):
        asyncio.run(scenario())


@pytest.mark.parametrize("name", HELD)
def test_a_client_that_gives_up_ends_what_is_held(ask, name):
    async def scenario():
        async with FakeApi(showing(name)) as api:
            with pytest.raises(TimeoutError):
                await ask(api.base_url, TASK_ID, timeout_seconds=0.1)
            async with asyncio.timeout(5):
                while not api.stats.by_status.total():  # noqa: ASYNC110  the stand-in has no event for it
                    await asyncio.sleep(0)

    asyncio.run(scenario())


def test_a_fault_of_the_first_asks_is_over_when_asked_again(told):
    behaviour = Behaviour(faults=(Fault(name="http_503", rate=1, first_asks=2),))
    answers, api = told(behaviour, TASK_ID, TASK_ID, TASK_ID)
    assert [answer.status for answer in answers] == [503, 503, 200]
    assert api.stats.faults == {"http_503": 2}

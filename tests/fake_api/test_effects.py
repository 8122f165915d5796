import asyncio

import aiohttp
import msgspec
import pytest

from etl.fake_api import Behaviour, FakeApi, Fault
from etl.fake_api.effects import EFFECTS, OVERSIZED_PADDING_BYTES

TASK_ID = "1534087020903704704"

FAILED_SEED = 7
"""With this seed the task above has failed, so that its detail has every field."""

SERVICE_ERRORS = {
    "not_found": (404, 13000309),
    "http_400": (400, 13000102),
    "http_404": (404, 13000309),
    "business_error_200": (200, 13000201),
}

GATEWAY_ERRORS = {
    "http_401": (401, "APIGW.0301"),
    "http_403": (403, "APIGW.0304"),
    "http_405": (405, "APIGW.0501"),
    "http_429": (429, "APIGW.0308"),
    "http_500": (500, "APIGW.0601"),
    "http_502": (502, "APIGW.0201"),
    "http_503": (503, "APIGW.0613"),
    "http_504": (504, "APIGW.0201"),
    "gateway_error_200": (200, "APIGW.0601"),
}

CHANGED_DETAILS = {
    "wrong_task": {"taskId": "1534087020903704705"},
    "unknown_status": {"status": 7},
    "text_numbers": {"status": "3", "code": "0", "taskType": "0"},
    "oversized": {"padding": "x" * OVERSIZED_PADDING_BYTES},
}

NOT_JSON = {"empty_body": "truncated", "truncated_json": "truncated", "invalid_json": "malformed"}

BROKEN_CONNECTIONS = {
    "cut_body": aiohttp.ClientPayloadError,
    "reset": aiohttp.ClientOSError,
    "stall": TimeoutError,
}

SEEN_BELOW = {*SERVICE_ERRORS, *GATEWAY_ERRORS, *CHANGED_DETAILS, *NOT_JSON, *BROKEN_CONNECTIONS}


def showing(name):
    return Behaviour(seed=FAILED_SEED, faults=(Fault(name=name, rate=1),))


@pytest.fixture
def honest(told):
    (answer,), _ = told(Behaviour(seed=FAILED_SEED), TASK_ID)
    return answer


def test_every_fault_is_seen_here():
    assert SEEN_BELOW | {"html_200", "missing_fields"} == set(EFFECTS)


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


def test_missing_fields(told):
    (answer,), _ = told(showing("missing_fields"), TASK_ID)
    assert answer.json == {"taskId": TASK_ID, "status": 3}


@pytest.mark.parametrize(("name", "complaint"), NOT_JSON.items(), ids=NOT_JSON)
def test_bodies_that_are_no_json(told, name, complaint):
    (answer,), _ = told(showing(name), TASK_ID)
    assert (answer.status, answer.content_type) == (200, "application/json")
    with pytest.raises(msgspec.DecodeError, match=complaint):
        _ = answer.json


def test_html_page(told):
    (answer,), _ = told(showing("html_200"), TASK_ID)
    assert (answer.status, answer.content_type) == (200, "text/html")
    assert answer.body.startswith(b"<!DOCTYPE html>")


@pytest.mark.parametrize(("name", "error_type"), BROKEN_CONNECTIONS.items(), ids=BROKEN_CONNECTIONS)
def test_broken_connections(told, name, error_type):
    with pytest.raises(error_type):
        told(showing(name), TASK_ID, timeout_seconds=0.2)


def test_a_stall_ends_with_the_server(ask):
    async def scenario():
        async with FakeApi(showing("stall")) as api:
            stalled = asyncio.create_task(ask(api.base_url, TASK_ID))
            while not api.stats.faults["stall"]:  # noqa: ASYNC110  the stand-in has no event for it
                await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await stalled

    # aiohttp asks once more by itself when a server hangs up, and then finds the port closed.
    with pytest.raises(aiohttp.ClientConnectionError):
        asyncio.run(scenario())


def test_a_client_that_gives_up_ends_its_stall(ask):
    async def scenario():
        async with FakeApi(showing("stall")) as api:
            with pytest.raises(TimeoutError):
                await ask(api.base_url, TASK_ID, timeout_seconds=0.1)
            async with asyncio.timeout(5):
                while not api.stats.by_status[0]:  # noqa: ASYNC110  the stand-in has no event for it
                    await asyncio.sleep(0)

    asyncio.run(scenario())


def test_a_fault_of_the_first_asks_is_over_when_asked_again(told):
    behaviour = Behaviour(faults=(Fault(name="http_503", rate=1, first_asks=2),))
    answers, api = told(behaviour, TASK_ID, TASK_ID, TASK_ID)
    assert [answer.status for answer in answers] == [503, 503, 200]
    assert api.stats.faults == {"http_503": 2}

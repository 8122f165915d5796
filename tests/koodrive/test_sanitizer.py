import asyncio
import json
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from etl.errors import CredentialsRefusedError
from etl.koodrive.client import open_koodrive
from etl.koodrive.sanitizer import MAX_EXCERPT_CHARACTERS, MAX_QUOTE_CHARACTERS
from etl.tasks import PendingTask
from etl.tasks.failure_reasons import FailureReason
from tests.koodrive.raw_http import APP, TASK_ID, TOKEN, header, http


def test_a_bad_payload_is_quoted_in_part_with_its_hash(asked_scripted):
    body = b'{"taskId": "1534087020903704704",, "note": "' + TOKEN.encode() + b"\x00\x1b[31m" + b"x" * 5000 + b'"}'
    (failure,), _ = asked_scripted(http(body))
    assert failure.reason is FailureReason.BAD_PAYLOAD
    assert f"({len(body)} bytes, SHA-256 {sha256(body).hexdigest()}: " in failure.detail
    assert '{"taskId": "1534087020903704704",, "note": "********  [31mxxx' in failure.detail
    assert len(failure.detail) < MAX_QUOTE_CHARACTERS + MAX_EXCERPT_CHARACTERS + 200
    assert failure.detail.isprintable()


@pytest.mark.parametrize("status", ["401 Unauthorized", "400 Bad Request", "200 OK"])
@pytest.mark.parametrize("padding", ["", "x" * (MAX_QUOTE_CHARACTERS - 35)])
@pytest.mark.parametrize("shape", ["msg", "error_msg", "code", "error_code"])
def test_a_token_that_the_server_repeats_is_not_shown(asked_scripted, status, padding, shape):
    body = json.dumps({"code": "13000102", shape: f"{padding} Bearer {TOKEN} is not welcome"}).encode()
    try:
        (failure,), _ = asked_scripted(http(body, status=status))
        shown = f"{failure.detail} {failure.error_code}"
    except CredentialsRefusedError as error:
        shown = str(error)
    assert TOKEN[:4] not in shown
    assert len(shown) < 3 * MAX_QUOTE_CHARACTERS


def test_a_signature_that_the_server_repeats_is_not_shown(asked, scripted):
    async def scenario():
        async with scripted(None) as server:
            (lost,) = await asked(server.base_url, TASK_ID, **APP)
            signed = header(server.requests[0], "Authorization")
            server.responses = [
                http(json.dumps({"code": 13000102, "msg": f"what is {signed}?"}).encode(), status="400 No")
            ]
            now = lost.failed_at
            (failure,) = await asked(server.base_url, TASK_ID, **APP, clock=lambda: now)
            return signed, failure.detail

    signed, shown = asyncio.run(scenario())
    assert signed.rpartition("=")[2] not in shown
    assert "AppId=a378331e" in shown


def test_a_quote_is_one_printable_line(asked_scripted):
    body = json.dumps({"code": "1\n2", "msg": "a\0b\x1b[31mc\nd\u202ee"}).encode()
    (failure,), _ = asked_scripted(http(body, status="400 Bad"))
    assert failure.detail == "a b [31mc d e"
    assert failure.error_code == "1 2"


def test_a_content_type_is_quoted_without_undecodable_bytes(asked_scripted):
    (failure,), _ = asked_scripted(http(content_type="text/\udcff\udcfe"))
    assert failure.reason is FailureReason.UNRECOGNIZED
    failure.detail.encode()


@pytest.mark.parametrize("words", ["as it came \u4ea4 \\u0000", f"says {TOKEN}"])
def test_an_answer_is_kept_unchanged_except_for_our_secret(api_settings, scripted, words):
    body = f' {{"taskId":"{TASK_ID}", "status": 2, "taskName": "{words}", "code":0}}\n'.encode()

    async def ask(keeps_answers):
        async with (
            scripted(http(body)) as server,
            open_koodrive(
                api_settings(server.base_url),
                run_id="r",
                clock=lambda: datetime.now(UTC),
                keeps_answers=keeps_answers,
            ) as koodrive,
        ):
            return (await koodrive.ask(PendingTask(task_id=TASK_ID))).answer

    kept = asyncio.run(ask(keeps_answers=True))
    assert (kept.http_status, kept.content_type) == (200, "application/json")
    assert kept.body == body.replace(TOKEN.encode(), b"********")
    assert asyncio.run(ask(keeps_answers=False)) is None


def test_a_token_in_the_content_type_is_not_kept(api_settings, scripted):
    async def ask():
        async with (
            scripted(http(content_type=f"application/x.{TOKEN}+json")) as server,
            open_koodrive(
                api_settings(server.base_url), run_id="r", clock=lambda: datetime.now(UTC), keeps_answers=True
            ) as koodrive,
        ):
            return (await koodrive.ask(PendingTask(task_id=TASK_ID))).answer

    assert asyncio.run(ask()).content_type == "application/x.********+json"

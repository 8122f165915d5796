import asyncio
import gzip
import json
import re
import shutil
import socket
import ssl
import subprocess
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest

from etl.errors import ConfigurationError, CredentialsRefusedError
from etl.fake_api import Behaviour, FakeApi, Fault
from etl.fetch.backlog import Backlog
from etl.fetch.budget import RetryBudget
from etl.fetch.gate import Gate
from etl.fetch.pool import Pool
from etl.fetch.retry import RetryPolicy
from etl.koodrive.client import open_koodrive
from etl.koodrive.sanitizer import MAX_EXCERPT_CHARACTERS, MAX_QUOTE_CHARACTERS
from etl.koodrive.transport import MAX_BODY_BYTES, host_header
from etl.rate.limiter import RateLimiter
from etl.shutdown import Shutdown
from etl.tasks import FailureReason, FetchFailure, Observation, PendingTask

TASK_ID = "1534087020903704704"
TOKEN = "t0ken-of-trust"
APP = {"auth": "app", "app_id": "a378331e", "app_secret": "s3cret-of-the-app"}
APP_BEHAVIOUR = Behaviour(app_id=APP["app_id"], app_secret=APP["app_secret"])
RUN_ID = "0193b4e4-7c1e-7d8a-9c55-2f6a1b3c4d5e"
HONEST = json.dumps({"taskId": TASK_ID, "status": 2, "code": 0}).encode()


def http(body=HONEST, *, status="200 OK", content_type="application/json", headers=()):
    head = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode(errors="surrogateescape") + b"\r\n\r\n" + body


def header(request, name):
    found = re.search(rf"^{name}: (.*)\r$", request, re.MULTILINE | re.IGNORECASE)
    return found and found[1]


@pytest.fixture
def asked_scripted(asked, scripted):
    """Send ``times`` requests about one task, and return the outcomes with the server."""

    def ask(*replies, times=1, prefix="", **settings):
        async def scenario():
            async with scripted(*replies) as server:
                return await asked(server.base_url + prefix, *[TASK_ID] * times, **settings), server

        return asyncio.run(scenario())

    return ask


@pytest.fixture
def asked_stand_in(asked):
    """Send requests about tasks to a stand-in, and return the outcomes with the stand-in."""

    def ask(behaviour, *task_ids, **settings):
        async def scenario():
            async with FakeApi(behaviour) as api:
                return await asked(api.base_url, *(task_ids or (TASK_ID,)), **settings), api

        return asyncio.run(scenario())

    return ask


SENT = (
    *("Host", "User-Agent", "Accept", "Accept-Encoding", "language"),
    *("Authorization", "X-Date", "X-User-Id", "X-Traceid"),
)
"""The headers of a request, each once."""


def test_requests_carry_the_documented_headers_once(asked_scripted):
    before = datetime.now(UTC).replace(microsecond=0)
    outcomes, server = asked_scripted(http(), times=3)
    assert all(isinstance(outcome, Observation) for outcome in outcomes)
    for request in server.requests:
        assert request.startswith(f"GET /koodrive/ose/v1/task/{TASK_ID} HTTP/1.1\r\n")
        assert header(request, "Host") == server.base_url.removeprefix("http://")
        assert header(request, "Authorization") == f"Bearer {TOKEN}"
        assert header(request, "X-User-Id") == "1505084218764547200"
        assert header(request, "language") == "en-US"
        sent_at = datetime.strptime(header(request, "X-Date"), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        assert before - timedelta(minutes=1) < sent_at <= datetime.now(UTC) - timedelta(seconds=4)
        names = sorted(line.partition(":")[0].lower() for line in request.strip().split("\r\n")[1:])
        assert names == sorted(map(str.lower, SENT))
    trace_ids = [header(request, "X-Traceid") for request in server.requests]
    assert len(set(trace_ids)) == 3
    assert all(re.fullmatch("[0-9a-z]{58}", trace_id) for trace_id in trace_ids)


def test_the_language_and_the_time_are_sent_as_configured(asked_scripted):
    _, server = asked_scripted(
        http(), language="zh-CN", clock=lambda: datetime(2024, 9, 9, 3, 33, 30, 999_999, tzinfo=UTC)
    )
    assert header(server.requests[0], "language") == "zh-CN"
    assert header(server.requests[0], "X-Date") == "20240909T033325Z"


def test_a_failure_has_the_trace_id_that_the_server_received(asked_stand_in):
    (failure,), api = asked_stand_in(Behaviour(faults=(Fault(name="not_found", rate=1),)))
    assert failure.reason is FailureReason.NOT_FOUND
    assert api.stats.trace_ids == {failure.trace_id}


def test_a_token_is_accepted(asked_stand_in):
    (seen,), api = asked_stand_in(Behaviour(token=f"Bearer {TOKEN}"))
    assert isinstance(seen, Observation)
    assert api.stats.rejected == {}


@pytest.mark.parametrize("task_id", ["1", "17", TASK_ID, "9" * 19])
def test_a_signature_is_accepted(asked_stand_in, task_id):
    (seen,), api = asked_stand_in(APP_BEHAVIOUR, task_id, **APP)
    assert isinstance(seen, Observation)
    assert api.stats.rejected == {}


def test_signatures_of_several_seconds_are_accepted(asked_stand_in):
    ticks = iter([datetime.now(UTC) - timedelta(seconds=seconds / 4) for seconds in range(20, 0, -1)])
    outcomes, _ = asked_stand_in(APP_BEHAVIOUR, *["17"] * 8, clock=lambda: next(ticks), **APP)
    assert all(isinstance(outcome, Observation) for outcome in outcomes)


@pytest.mark.parametrize("prefix", ["", "/gateway", "/a%20b/v2", "/中"])
def test_a_path_prefix_is_sent_as_it_was_signed(asked_scripted, prefix):
    from aiohttp.test_utils import make_mocked_request

    from etl.fake_api.admission import find_rejection

    _, server = asked_scripted(http(), prefix=prefix, **APP)
    request = server.requests[0]
    path = request.split(" ")[1]
    assert path.endswith(f"/koodrive/ose/v1/task/{TASK_ID}")
    assert path.isascii()
    names = ("Host", "Authorization", "X-Date", "X-User-Id", "X-Traceid")
    seen = make_mocked_request("GET", path, {name: header(request, name) for name in names})
    assert find_rejection("GET", path, seen.headers, behaviour=APP_BEHAVIOUR, now=datetime.now(UTC)) is None


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("https://cn.myhuaweicloud-koodrive.com", "cn.myhuaweicloud-koodrive.com"),
        ("https://cn.myhuaweicloud-koodrive.com:443/x", "cn.myhuaweicloud-koodrive.com"),
        ("https://cn.myhuaweicloud-koodrive.com:8443", "cn.myhuaweicloud-koodrive.com:8443"),
        ("http://127.0.0.1:80", "127.0.0.1"),
        ("http://[::1]:8080", "[::1]:8080"),
    ],
)
def test_the_host_header_has_a_port_unless_it_is_the_default(base_url, expected):
    assert host_header(base_url) == expected


@pytest.mark.parametrize("settings", [{}, APP])
def test_refused_credentials_end_the_run_and_stay_secret(asked, settings):
    async def scenario():
        async with FakeApi(Behaviour(token="Bearer another", app_id="a378331e", app_secret="another")) as api:
            await asked(api.base_url, TASK_ID, TASK_ID, **settings)

    with pytest.raises(CredentialsRefusedError, match="HTTP 401") as caught:
        asyncio.run(scenario())
    assert TOKEN not in str(caught.value)
    assert APP["app_secret"] not in str(caught.value)


def test_credentials_are_renewed_once_for_all_refused_requests(api_settings, tmp_path):
    """A token expires with forty requests in flight."""
    file = tmp_path / "token"
    file.write_text("Bearer 0ld")
    read = []

    async def scenario():
        async with FakeApi(Behaviour(token="Bearer n3w")) as api:
            settings = api_settings(api.base_url, token=None, token_file=file, concurrency=40)
            async with open_koodrive(settings, run_id=RUN_ID, clock=lambda: datetime.now(UTC)) as koodrive:
                file.write_text("Bearer n3w")
                read_text = Path.read_text
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(
                        Path, "read_text", lambda *given, **named: read.append(1) or read_text(*given, **named)
                    )
                    tasks = [PendingTask(task_id=str(number)) for number in range(40)]
                    refused = await asyncio.gather(*map(koodrive.ask, tasks))
                    return refused, await asyncio.gather(*map(koodrive.ask, tasks))

    refused, answered = asyncio.run(scenario())
    assert {failure.reason for failure in refused} == {FailureReason.UNAUTHORIZED}
    assert all(isinstance(outcome, Observation) for outcome in answered)
    assert len(read) == 1


@pytest.mark.parametrize(
    ("behaviour", "settings"),
    [
        ({"session_id": "s3ssion"}, {"session_id": "s3ssion"}),
        ({"refresh_token": "r3fresh"}, {"refresh_token": "r3fresh"}),
    ],
)
def test_a_session_is_refreshed_each_time_its_token_expires(asked_stand_in, behaviour, settings):
    expiring = Behaviour(token=f"Bearer {TOKEN}", token_uses=2, **behaviour)
    outcomes, api = asked_stand_in(expiring, *[TASK_ID] * 9, **settings)
    refused = [isinstance(outcome, FetchFailure) for outcome in outcomes]
    assert refused == [False, False, True] * 3
    assert api.stats.refreshes == 3


def test_a_refused_session_ends_the_run(asked_stand_in):
    expiring = Behaviour(token=f"Bearer {TOKEN}", token_uses=0, session_id="an0ther")
    with pytest.raises(CredentialsRefusedError, match="cannot be renewed: HTTP 401") as caught:
        asked_stand_in(expiring, session_id="s3ssion")
    assert "s3ssion" not in str(caught.value)


@pytest.mark.parametrize("seconds", [-3600, -600, 600, 3600])
@pytest.mark.parametrize("auth", ["app", "token"])
def test_the_date_of_a_refusal_corrects_a_wrong_clock(asked_stand_in, seconds, auth):
    behaviour, settings = (APP_BEHAVIOUR, APP) if auth == "app" else (Behaviour(), {})
    skewed = replace(behaviour, clock_offset_seconds=seconds)
    outcomes, _ = asked_stand_in(skewed, *[TASK_ID] * 3, **settings)
    is_refused = seconds > 15 * 60 or seconds < 0
    assert [isinstance(outcome, Observation) for outcome in outcomes] == [not is_refused, True, True]


def test_a_bad_payload_is_quoted_in_part_with_its_hash(asked_scripted):
    body = b'{"taskId": "17",, "note": "' + TOKEN.encode() + b"\x00\x1b[31m" + b"x" * 5000 + b'"}'
    (failure,), _ = asked_scripted(http(body))
    assert failure.reason is FailureReason.BAD_PAYLOAD
    assert f"({len(body)} bytes, SHA-256 {sha256(body).hexdigest()}: " in failure.detail
    assert '{"taskId": "17",, "note": "********  [31mxxx' in failure.detail
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
    assert failure.reason is FailureReason.SERVER_ERROR
    failure.detail.encode()


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Same", "308 Same for good"])
def test_a_redirect_is_refused_and_sends_nothing_elsewhere(asked, scripted, status):
    async def scenario():
        async with scripted(http()) as elsewhere:
            target = f"Location: {elsewhere.base_url}/koodrive/ose/v1/task/{TASK_ID}"
            async with scripted(http(b"", status=status, headers=[target])) as server:
                return await asked(server.base_url, TASK_ID), server, elsewhere

    (failure,), server, elsewhere = asyncio.run(scenario())
    assert (failure.reason, failure.http_status) == (FailureReason.REJECTED, int(status[:3]))
    assert (len(server.requests), elsewhere.connections) == (1, 0)


def test_cookies_are_not_kept(asked_scripted):
    _, server = asked_scripted(http(headers=["Set-Cookie: session=17; Path=/"]), times=2)
    assert [header(request, "Cookie") for request in server.requests] == [None, None]


def test_a_connection_is_reused(asked_scripted):
    _, server = asked_scripted(http(), times=5)
    assert (len(server.requests), server.connections) == (5, 1)


def test_an_oversized_body_is_not_read_to_its_end(asked_scripted):
    body_bytes = 64 << 20
    endless = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + bytes(body_bytes)
    (failure,), server = asked_scripted(endless)
    assert failure.reason is FailureReason.TOO_LARGE
    assert str(MAX_BODY_BYTES) in failure.detail
    # Sockets on the way hold some megabytes more than was read.
    assert server.taken_bytes < body_bytes / 4


def test_a_gzip_bomb_is_stopped_at_the_limit(asked, scripted):
    bomb = http(gzip.compress(bytes(64 << 20), 1), headers=["Content-Encoding: gzip"])

    async def scenario():
        async with scripted(bomb) as server:
            tracemalloc.start()
            try:
                return await asked(server.base_url, TASK_ID), tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    (failure,), peak = asyncio.run(scenario())
    assert failure.reason is FailureReason.TOO_LARGE
    assert peak < 12 << 20


def test_a_compressed_answer_is_read(asked_scripted):
    (seen,), _ = asked_scripted(http(gzip.compress(HONEST), headers=["Content-Encoding: gzip"]))
    assert seen.detail.status == 2


TRANSPORT = {
    "closed before the answer": (None, FailureReason.UNREACHABLE),
    "cut body": (http(headers=["Connection: close"])[:-5], FailureReason.UNREACHABLE),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.6\r\nconnection: close\r\n\r\n", FailureReason.SERVER_ERROR),
    "no gzip": (http(headers=["Content-Encoding: gzip"]), FailureReason.UNREACHABLE),
    "headers without end": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000, FailureReason.SERVER_ERROR),
}


@pytest.mark.parametrize(("answer", "reason"), TRANSPORT.values(), ids=TRANSPORT)
def test_transport_errors_become_failures(asked_scripted, answer, reason):
    (failure,), server = asked_scripted(answer)
    assert (failure.reason, failure.http_status) == (reason, None)
    assert failure.trace_id == header(server.requests[0], "X-Traceid")
    assert failure.detail
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", ["cut_body", "reset"])
def test_a_broken_connection_is_unreachable_and_not_retried_in_secret(asked_stand_in, fault):
    (failure,), api = asked_stand_in(Behaviour(faults=(Fault(name=fault, rate=1),)))
    assert failure.reason is FailureReason.UNREACHABLE
    assert api.stats.requests == 1


def test_a_stalled_answer_times_out(asked_stand_in):
    (failure,), api = asked_stand_in(Behaviour(faults=(Fault(name="stall", rate=1),)), timeout_seconds=0.1)
    assert failure.reason is FailureReason.TIMEOUT
    assert api.stats.requests == 1


def test_a_closed_port_is_unreachable(asked):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        (failure,) = asyncio.run(asked(f"http://127.0.0.1:{taken.getsockname()[1]}", TASK_ID))
    assert failure.reason is FailureReason.UNREACHABLE


def test_a_server_without_tls_is_unreachable(asked):
    """One handshake may have failed by chance, so this does not end the run, unlike a bad certificate."""

    async def refuse(reader, writer):
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async def scenario():
        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
            return await asked(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", TASK_ID)

    (failure,) = asyncio.run(scenario())
    assert failure.reason is FailureReason.UNREACHABLE


def test_an_untrusted_certificate_ends_the_run(asked, tmp_path):
    openssl = shutil.which("openssl") or pytest.skip("openssl makes the certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key]
    subprocess.run([openssl, "req", "-x509", *new_key, "-out", certificate, *subject], check=True, capture_output=True)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)

    async def scenario():
        async with await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0, ssl=tls) as server:
            await asked(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", TASK_ID)

    with pytest.raises(ConfigurationError, match="certificate is not to be trusted"):
        asyncio.run(scenario())


@pytest.mark.parametrize(
    "task_id", ["", "..", "%2e%2e", "1/../2", "1?x=1", "1#", "1\r\nX: y", "\u0661", "1" * 20, " 1", "-1"]
)
def test_an_invalid_id_is_never_put_into_a_url(asked, task_id):
    async def scenario():
        async with FakeApi() as api:
            with pytest.raises(ValueError, match="must not meet a URL"):
                await asked(api.base_url, task_id)
            return api.stats.requests

    assert asyncio.run(scenario()) == 0


def test_an_address_must_be_set(api_settings):
    async def scenario():
        async with open_koodrive(api_settings(None), run_id=str(uuid4()), clock=lambda: datetime.now(UTC)):
            pass

    with pytest.raises(ConfigurationError, match=r"api\.base_url is not set"):
        asyncio.run(scenario())


def test_a_request_on_a_closed_connection_is_not_repeated_in_secret(asked_scripted):
    """By default, aiohttp would send the second request twice without a trace."""
    (first, second, third), server = asked_scripted(http(), None, http(), times=3)
    assert isinstance(first, Observation)
    assert (second.reason, second.detail) == (FailureReason.UNREACHABLE, "ConnectionLostError: Server disconnected")
    assert isinstance(third, Observation)
    assert len(server.requests) == 3


def test_the_counts_match_what_the_server_received(api_settings):
    task_ids = [str(number) for number in range(1, 301)]
    stop = Shutdown()
    outcomes = []

    async def remember(outcome):
        outcomes.append(outcome)

    async def scenario():
        async with FakeApi(Behaviour(seed=5, faults=(Fault(name="reset", rate=0.1),))) as api:
            settings = api_settings(api.base_url)
            async with open_koodrive(settings, run_id=str(uuid4()), clock=lambda: datetime.now(UTC)) as koodrive:
                pool = Pool(
                    koodrive.ask,
                    gate=Gate(RateLimiter(1e6), stop=stop, patience_seconds=900),
                    policy=RetryPolicy(attempts=4, base_seconds=0),
                    budget=RetryBudget(),
                    concurrency=8,
                    stop=stop,
                )
                backlog = Backlog(low=0, rest_seconds=0)
                backlog.fill(PendingTask(task_id=task_id) for task_id in task_ids)
                backlog.end()
                await pool.work(backlog, remember)
                return api.stats, pool.traffic

    stats, traffic = asyncio.run(scenario())
    assert stats.requests == traffic.requests
    assert traffic.retries == traffic.requests - len(task_ids) > 20
    assert len(stats.trace_ids) == traffic.requests
    assert sorted(outcome.task.task_id for outcome in outcomes) == sorted(task_ids)
    assert sum(isinstance(outcome, FetchFailure) for outcome in outcomes) < 3


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

import asyncio
import gzip
import socket
import tracemalloc

import pytest

from etl.fake_api import Behaviour, Fault
from etl.koodrive.transport import MAX_BODY_BYTES, host_header
from etl.tasks import Observation
from etl.tasks.failure_reasons import FailureReason
from tests.koodrive.raw_http import HONEST, TASK_ID, header, http


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


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Same", "308 Same for good"])
def test_a_redirect_is_refused_and_sends_nothing_elsewhere(asked, scripted, status):
    async def scenario():
        async with scripted(http()) as elsewhere:
            target = f"Location: {elsewhere.base_url}/koodrive/ose/v1/task/{TASK_ID}"
            async with scripted(http(b"", status=status, headers=[target])) as server:
                return await asked(server.base_url, TASK_ID), server, elsewhere

    (failure,), server, elsewhere = asyncio.run(scenario())
    assert (failure.reason, failure.http_status) == (FailureReason.UNRECOGNIZED, int(status[:3]))
    assert f"to {elsewhere.base_url}," in failure.detail
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
    assert (failure.reason, failure.own_reason) == (FailureReason.UNRECOGNIZED, FailureReason.TOO_LARGE)
    assert str(MAX_BODY_BYTES) in failure.detail
    # Sockets on the way hold some megabytes more than was read.
    assert server.taken_bytes < body_bytes / 4


def test_the_status_of_an_error_counts_however_long_its_page_is(asked_scripted):
    page = b"<title>Maintenance</title>".ljust(4 * MAX_BODY_BYTES)
    busy = http(page, status="503 Busy", content_type="text/html", headers=["Retry-After: 7"])
    (failure,), _ = asked_scripted(busy)
    assert (failure.reason, failure.wait_seconds) == (FailureReason.THROTTLED, 7)


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
    assert (failure.reason, failure.own_reason) == (FailureReason.UNRECOGNIZED, FailureReason.TOO_LARGE)
    assert peak < 12 << 20


def test_a_compressed_answer_is_read(asked_scripted):
    (seen,), _ = asked_scripted(http(gzip.compress(HONEST), headers=["Content-Encoding: gzip"]))
    assert seen.detail.status == 2


TRANSPORT = {
    "closed before the answer": (None, FailureReason.UNREACHABLE),
    "cut body": (http(headers=["Connection: close"])[:-5], FailureReason.UNREACHABLE),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.6\r\nconnection: close\r\n\r\n", FailureReason.SERVER_ERROR),
    "no gzip": (http(headers=["Content-Encoding: gzip"]), FailureReason.UNREACHABLE),
}


@pytest.mark.parametrize(("answer", "reason"), TRANSPORT.values(), ids=TRANSPORT)
def test_transport_errors_become_failures(asked_scripted, answer, reason):
    (failure,), server = asked_scripted(answer)
    assert (failure.reason, failure.http_status) == (reason, None)
    assert failure.trace_id == header(server.requests[0], "X-Traceid")
    assert failure.detail
    assert len(server.requests) == 1


UNPARSABLE = {
    "two lengths": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        200,
        "Duplicate Content-Length",
    ),
    "a length and chunks": (
        b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        503,
        "Transfer-Encoding can't be present with Content-Length",
    ),
    "a name with a blank": (b"HTTP/1.1 404 No\r\nX y: 3\r\n\r\n", 404, "Invalid header token"),
    "headers without end": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000, 200, "Got more than"),
}


@pytest.mark.parametrize(("answer", "status", "cause"), UNPARSABLE.values(), ids=UNPARSABLE)
def test_a_response_that_cannot_be_parsed_names_the_cause_and_the_status_that_the_server_said(
    asked_scripted, answer, status, cause
):
    (failure,), _ = asked_scripted(answer)
    assert (failure.reason, failure.http_status) == (FailureReason.SERVER_ERROR, status)
    assert failure.detail.startswith(
        f"the server said HTTP {status} in a response that breaks the rules of HTTP: {cause}"
    )


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


def test_a_request_on_a_closed_connection_is_not_repeated_in_secret(asked_scripted):
    """By default, aiohttp would send the second request twice without a trace."""
    (first, second, third), server = asked_scripted(http(), None, http(), times=3)
    assert isinstance(first, Observation)
    assert (second.reason, second.detail) == (FailureReason.UNREACHABLE, "ServerDisconnectedError: Server disconnected")
    assert isinstance(third, Observation)
    assert len(server.requests) == 3

"""Sends one request and reads its response: bounded, without redirects and cookies, and never a second time.

aiohttp would send a GET again, follow redirects and expand a body of any length; this module keeps it from that.
"""

import re
import zlib
from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from http import HTTPStatus
from ssl import SSLContext
from typing import Any, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from etl.koodrive.response import Response
from etl.koodrive.time_limit import TimeLimit
from etl.settings.model import ApiSettings
from etl.settings.proxy import Proxy, choose_proxy
from etl.settings.tls import api_tls

MAX_BODY_BYTES = 1 << 16
"""The bytes of a body after decompression, at most; a documented answer has about 250."""

MAX_PAGE_BYTES = 1 << 20
"""The bytes of a page of the list, at most; a documented page of 100 tasks has about 40,000."""

ANY_ZLIB_FORMAT = zlib.MAX_WBITS | 32
"""Makes zlib accept the header of gzip and its own."""

DNS_CACHE_SECONDS = 300
"""The time is long enough to spare the name server, and short enough to follow a site that moves during a run."""


STATUS_LINE = re.compile(rb"HTTP/1\.[0-9] ([0-9]{3})\b")
STATUS_LINE_BYTES = 16
"""The bytes that the expression may need."""

UNKNOWN_STATUS = 0
"""Takes the place of a status that could not be read."""


class BodyTooLargeError(Exception):
    """A body is longer than any answer could be."""


TRANSPORT_ERRORS = (aiohttp.ClientError, OSError, zlib.error, BodyTooLargeError)


class Handler(ResponseHandler):
    """Keeps the status of a response that aiohttp refuses to parse, and closes a connection at once.

    aiohttp itself reports a 400 of its own. It waits for the TLS shutdown of a server that may hang, for 30 seconds.
    """

    _head = b""
    """The first bytes of the response."""

    def data_received(self, data: bytes) -> None:
        """Keep the first bytes of a response, and parse what was received."""
        if data.startswith(b"HTTP/"):
            self._head = data[:STATUS_LINE_BYTES]
        super().data_received(data)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """Put the server's status into the error of a response that cannot be parsed."""
        if isinstance(exc, HttpProcessingError):
            found = STATUS_LINE.match(self._head)
            exc.code = int(found[1]) if found else UNKNOWN_STATUS
        super().set_exception(exc, *cause)

    def close(self) -> None:
        """Close the connection without a TLS shutdown: nothing is left to receive, or it is of no use."""
        self.abort()


class Connector(aiohttp.TCPConnector):
    """Opens connections with this module's handler."""

    def __init__(self, *, limit: int, ssl: SSLContext | bool = True) -> None:
        super().__init__(limit=limit, ttl_dns_cache=DNS_CACHE_SECONDS, ssl=ssl)
        loop: AbstractEventLoop = self._loop
        self._factory = cast("partial[ResponseHandler]", partial(Handler, loop=loop))


class HttpSession:
    """The HTTP session of one run."""

    def __init__(self, session: aiohttp.ClientSession, proxy: Proxy | None, *, timeout_seconds: float) -> None:
        self._session = session
        self._time_limit = TimeLimit(timeout_seconds)
        self.proxy = proxy
        """The proxy on the way to the API; None if the job connects directly."""
        # The address has no credentials: aiohttp would print them in its errors.
        self._by_proxy: dict[str, Any] = {"proxy": proxy.address, "proxy_headers": proxy.headers} if proxy else {}

    async def get(
        self, url: URL, *, headers: Mapping[str, str], trace_id: str, sent_at: datetime, max_bytes: int = MAX_BODY_BYTES
    ) -> Response:
        """Send a GET request and read its response to the end.

        Args:
            url: the address.
            headers: the headers of this request.
            trace_id: the ID of the request.
            sent_at: the time of the request.
            max_bytes: the bytes of the body, at most. Of the body of an error, the rest is not read.

        Raises:
            Exception: one of ``TRANSPORT_ERRORS``, if there is no complete response.
        """
        with self._time_limit:
            # A redirect would carry the credentials elsewhere.
            response = await self._session.get(url, headers=headers, allow_redirects=False, **self._by_proxy)
            try:
                return Response(
                    status=response.status,
                    content_type=response.content_type,
                    headers=response.headers,
                    body=await _bounded_body(response, max_bytes),
                    trace_id=trace_id,
                    sent_at=sent_at,
                )
            finally:
                # A connection whose body was read to its end has gone back to the pool by now; any other is of no use.
                response.close()

    async def post_json(self, url: str, *, headers: Mapping[str, str], body: object) -> tuple[int, bytes]:
        """Send a POST request; returns the status and the body of its response.

        Raises:
            Exception: one of ``TRANSPORT_ERRORS``, if there is no complete response.
        """
        post = partial(self._session.post, url, headers=headers, json=body, allow_redirects=False, **self._by_proxy)
        with self._time_limit:
            response = await post()
            try:
                return response.status, await _bounded_body(response, MAX_BODY_BYTES)
            finally:
                response.close()


@asynccontextmanager
async def open_session(settings: ApiSettings, *, base_url: str) -> AsyncIterator[HttpSession]:
    """Open the HTTP session of one run, with the headers that all requests share.

    Raises:
        ConfigurationError: the proxy or a file of a certificate cannot be used.
    """
    proxy = choose_proxy(base_url, settings.proxy)
    async with aiohttp.ClientSession(
        headers={
            "Host": host_header(base_url),
            "User-Agent": aiohttp.http.SERVER_SOFTWARE,
            "language": settings.language,
            "Accept": "application/json",
            # A response is too short to be worth compressing, and a compressed one may be of any length.
            "Accept-Encoding": "identity",
        },
        auto_decompress=False,
        connector=Connector(limit=settings.concurrency, ssl=api_tls(settings) or True),
        # A cookie of the API must not travel with later requests.
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
    ) as session:
        # Otherwise aiohttp sends a GET again by itself after a lost connection, past the rate limiter and the counters.
        # A middleware could also keep it from that, and takes 2 % of the instructions of a request.
        session._retry_connection = False  # noqa: SLF001
        yield HttpSession(session, proxy, timeout_seconds=settings.timeout_seconds)


def host_header(base_url: str) -> str:
    """Return the Host header for an address: with the port unless it is the scheme's default."""
    return URL(base_url).host_port_subcomponent or ""


async def _bounded_body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """Read a body to its end, or until it is longer than any answer; a compressed body is expanded up to there.

    Raises:
        BodyTooLargeError: the body of a success is longer. An error's status counts, however long its page is.
    """
    inflate = _decompressor(response.headers.get("Content-Encoding"))
    content, body = response.content, b""
    while True:
        # Responses almost always arrive in one chunk.
        chunk = await content.readany()
        body += chunk if inflate is None else inflate.decompress(chunk, max_bytes + 1 - len(body))
        if len(body) > max_bytes:
            if response.status == HTTPStatus.OK:
                raise BodyTooLargeError(f"the body is longer than {max_bytes} bytes")
            return body[:max_bytes]
        if content.at_eof():
            return body


def _decompressor(encoding: str | None) -> "zlib._Decompress | None":
    """Return what expands a compression that the standard library can stop in the middle; None for any other body."""
    return zlib.decompressobj(ANY_ZLIB_FORMAT) if encoding in {"gzip", "deflate"} else None

"""Sends one request and reads its response: bounded, without redirects and cookies, and never a second time.

aiohttp would send a GET again, follow redirects and expand a body of any length; this module and `connector.py` keep it
from that.
"""

import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cached_property, partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from yarl import URL

from etl.koodrive.response import Response
from etl.koodrive.time_limit import TimeLimit
from etl.settings.model import ApiSettings
from etl.settings.proxy import choose_proxy
from etl.settings.tls import api_tls

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

MAX_BODY_BYTES = 1 << 16
"""The bytes of a body after decompression, at most; a documented answer has about 250."""

MAX_PAGE_BYTES = 1 << 20
"""The bytes of a page of the list, at most; a documented page of 100 tasks has about 40,000."""

ANY_ZLIB_FORMAT = zlib.MAX_WBITS | 32
"""Makes zlib accept the header of gzip and its own."""


class BodyTooLargeError(Exception):
    """A body is longer than any answer could be."""


def transport_errors() -> tuple[type[Exception], ...]:
    """Return the types of errors that a request may end with if there is no complete response."""
    from aiohttp import ClientError  # noqa: PLC0415 - it is there since the request that failed

    return ClientError, OSError, zlib.error, BodyTooLargeError


class HttpSession:
    """The HTTP session of one run; it opens with its first request."""

    def __init__(self, settings: ApiSettings, *, base_url: str) -> None:
        """Read what the session needs, so that a mistake is known before the first request.

        Raises:
            ConfigurationError: the proxy or a file of a certificate cannot be used.
        """
        self._settings = settings
        self._host = host_header(base_url)
        self._tls = api_tls(settings)
        self._time_limit = TimeLimit(settings.timeout_seconds)
        self.proxy = proxy = choose_proxy(base_url, settings.proxy)
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
            Exception: one of ``transport_errors``, if there is no complete response.
        """
        client = self._client
        with self._time_limit:
            # A redirect would carry the credentials elsewhere.
            response = await client.get(url, headers=headers, allow_redirects=False, **self._by_proxy)
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
            Exception: one of ``transport_errors``, if there is no complete response.
        """
        post = partial(self._client.post, url, headers=headers, json=body, allow_redirects=False, **self._by_proxy)
        with self._time_limit:
            response = await post()
            try:
                return response.status, await _bounded_body(response, MAX_BODY_BYTES)
            finally:
                response.close()

    async def close(self) -> None:
        """Close the session if it was opened."""
        if "_client" in vars(self):
            await self._client.close()

    @cached_property
    def _client(self) -> "ClientSession":
        from etl.koodrive.connector import open_client  # noqa: PLC0415 - a night without tasks does not wait for it

        return open_client(self._settings, host=self._host, tls=self._tls)


@asynccontextmanager
async def open_session(settings: ApiSettings, *, base_url: str) -> AsyncIterator[HttpSession]:
    """Make the HTTP session of one run, and close it in the end.

    Raises:
        ConfigurationError: the proxy or a file of a certificate cannot be used.
    """
    session = HttpSession(settings, base_url=base_url)
    try:
        yield session
    finally:
        await session.close()


def host_header(base_url: str) -> str:
    """Return the Host header for an address: with the port unless it is the scheme's default."""
    return URL(base_url).host_port_subcomponent or ""


async def _bounded_body(response: "ClientResponse", max_bytes: int) -> bytes:
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

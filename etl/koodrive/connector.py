"""Opens aiohttp's session for the API, and changes what aiohttp would do to connections and requests by itself.

`transport.py` imports this module with the first request. The import of aiohttp takes 70 ms of processor time, half of
it for the certificates of the system, and a night without tasks needs neither.
"""

import re
from asyncio import AbstractEventLoop
from functools import partial
from ssl import SSLContext
from typing import cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError

from etl.settings.model import ApiSettings

DNS_CACHE_SECONDS = 300
"""The time is long enough to spare the name server, and short enough to follow a site that moves during a run."""

STATUS_LINE = re.compile(rb"HTTP/1\.[0-9] ([0-9]{3})\b")
STATUS_LINE_BYTES = 16
"""The bytes that the expression may need."""

UNKNOWN_STATUS = 0
"""Takes the place of a status that could not be read."""


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


def open_client(settings: ApiSettings, *, host: str, tls: SSLContext | None) -> aiohttp.ClientSession:
    """Open the session, with the headers that all requests share.

    Args:
        settings: the API's settings.
        host: the Host header.
        tls: the context for TLS; None stands for the default.
    """
    client = aiohttp.ClientSession(
        headers={
            "Host": host,
            "User-Agent": aiohttp.http.SERVER_SOFTWARE,
            "language": settings.language,
            "Accept": "application/json",
            # A response is too short to be worth compressing, and a compressed one may be of any length.
            "Accept-Encoding": "identity",
        },
        auto_decompress=False,
        connector=Connector(limit=settings.concurrency, ssl=tls or True),
        # A cookie of the API must not travel with later requests.
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
    )
    # Otherwise aiohttp sends a GET again by itself after a lost connection, past the rate limiter and the counters.
    # A middleware could also keep it from that, and takes 2 % of the instructions of a request.
    client._retry_connection = False  # noqa: SLF001
    return client

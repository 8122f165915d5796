"""Posts one body to an address with aiohttp, which `webhook.py` imports only when there is something to post."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from etl.settings.proxy import Proxy, choose_proxy
from etl.settings.tls import trusting

MAX_ANSWER_BYTES = 1 << 16
"""64 KiB of an answer: a robot answers in a few words, and a gateway on the way with a page."""


class PostError(Exception):
    """A body was not delivered, or its answer did not arrive; the text says why, without the address."""


def post(
    url: URL, body: bytes, *, headers: Mapping[str, str], seconds: float, ca_file: Path | None = None
) -> tuple[int, bytes]:
    """Post a body once; returns the status and the beginning of the answer.

    Args:
        url: the address, which is a secret.
        body: what to post.
        headers: the headers of the request.
        seconds: the time for all of it.
        ca_file: authorities to trust in addition to the system's.

    Raises:
        ConfigurationError: the proxy on the way or the file of authorities cannot be used.
        PostError: there was no answer.
    """
    proxy = choose_proxy(str(url))
    try:
        return asyncio.run(_post(url, body, headers, seconds=seconds, way=_way(proxy, ca_file)))
    except TimeoutError:
        raise PostError(f"did not answer within {seconds:.1f} seconds") from None
    except aiohttp.ClientError as error:
        # The text of the error may contain the address.
        reason = f"{type(error).__name__}{_status(error)}" + (f" (through the proxy {proxy})" if proxy else "")
        raise PostError(f"cannot be reached: {reason}") from None


def _way(proxy: Proxy | None, ca_file: Path | None) -> dict[str, Any]:
    way: dict[str, Any] = {"proxy": proxy.address, "proxy_headers": proxy.headers} if proxy else {}
    return way | ({"ssl": trusting(ca_file)} if ca_file else {})


async def _post(
    url: URL, body: bytes, headers: Mapping[str, str], *, seconds: float, way: Mapping[str, Any]
) -> tuple[int, bytes]:
    timeout = aiohttp.ClientTimeout(total=max(seconds, 0.001))
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.post(url, data=body, headers=headers, allow_redirects=False, **way) as response,
    ):
        return response.status, await _beginning(response)


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    """Read an answer up to a limit, since its sender may never end it."""
    answer = b""
    async for part in response.content.iter_any():
        answer += part
        if len(answer) >= MAX_ANSWER_BYTES:
            response.close()
            break
    return answer[:MAX_ANSWER_BYTES]


def _status(error: aiohttp.ClientError) -> str:
    """Return the status of a proxy that does not connect to the webhook, for a text."""
    return f" {error.status}" if isinstance(error, aiohttp.ClientHttpProxyError) else ""

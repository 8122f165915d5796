#!/usr/bin/env bash
# aiohttp reports the refusal of a proxy in three ways: as a response, as an error of a response, or, for socks5, as if
# the proxy spoke HTTP.
#
# Guess: a 407 or 503 of the proxy is one kind of error, and a socks5:// proxy is refused as unknown.
# Seen with aiohttp 3.14.5: for an http target the proxy's status is an ordinary response, so that a 404 or 503 of the
# proxy is taken for one of the API; for an https target it is ClientHttpProxyError, which is a ClientResponseError with
# that status. A proxy socks5:// gets an HTTP CONNECT.
# It would hurt: a client that judges by the status blames the API, and may give a task up, for what the proxy said.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet aiohttp==3.14.5
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import asyncio

import aiohttp

requests = []


async def refuse(reader, writer):
    requests.append((await reader.readline()).decode().split()[0])
    while (await reader.readline()).strip():
        pass
    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\nConnection: close\r\n\r\nproxy")
    await writer.drain()
    writer.close()


async def outcome(session, url, proxy):
    try:
        async with session.get(url, proxy=proxy) as response:
            return response.status, "response"
    except aiohttp.ClientResponseError as error:
        return error.status, type(error).__name__


async def main():
    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, aiohttp.ClientSession() as session:
        seen = {
            (url, scheme): await outcome(session, url, f"{scheme}://127.0.0.1:{port}")
            for url, scheme in (
                ("http://api.invalid/", "http"),
                ("https://api.invalid/", "http"),
                ("https://api.invalid/", "socks5"),
            )
        }
    for (url, scheme), result in seen.items():
        print(f"{url:<22} through {scheme:<7}{result}")
    assert list(seen.values()) == [
        (404, "response"),
        (404, "ClientHttpProxyError"),
        (404, "ClientHttpProxyError"),
    ], "aiohttp behaves otherwise now"
    assert requests == ["GET", "CONNECT", "CONNECT"], "aiohttp asks the proxy otherwise now"


asyncio.run(main())
PYTHON

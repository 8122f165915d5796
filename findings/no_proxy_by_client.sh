#!/usr/bin/env bash
# One NO_PROXY means other servers to requests, to httpx, and to aiohttp.
#
# Guess: requests, httpx and aiohttp read the variable alike, since all three ask urllib; a network such as 10.0.0.0/8
# is known to none or to all, and a port counts always or never.
# Seen with requests 2.34.2, httpx 0.28.1 and aiohttp 3.14.5:
# - a network sends its addresses past the proxy in requests alone;
# - "name:port" works in requests and httpx, and in aiohttp not at all, although urllib itself knows it;
# - "address:port" works in httpx, and not in requests, which knows "name:port";
# - a pattern with "*." in front, as some tools write it, is known to none.
# It would hurt: a job whose libraries share the environment reaches an internal server directly with one of them, and
# asks the proxy for it with another, which refuses or does not know the name.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet requests==2.34.2 httpx==0.28.1 aiohttp==3.14.5
cat > look.py <<'PYTHON'
import asyncio
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import aiohttp
import httpx
import requests


class Proxy(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


async def by_aiohttp(url):
    async with aiohttp.ClientSession(trust_env=True) as session, session.get(url) as response:
        return response.status


CLIENTS = {
    "requests": lambda url: requests.get(url, timeout=5).status_code,
    "httpx": lambda url: httpx.get(url, timeout=5).status_code,
    "aiohttp": lambda url: asyncio.run(by_aiohttp(url)),
}
ADDRESS, NAME = "127.0.0.1", "tasks.corp.invalid"
PORT = 9  # Nothing listens here, so that only the proxy gives an answer.
CASES = [
    (ADDRESS, ADDRESS),
    (ADDRESS, "127.0.0.0/8"),
    (ADDRESS, f"{ADDRESS}:{PORT}"),
    (NAME, ".corp.invalid"),
    (NAME, "corp.invalid"),
    (NAME, "*.corp.invalid"),
    (NAME, f"{NAME}:{PORT}"),
]

server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
threading.Thread(target=server.serve_forever, daemon=True).start()
for name in list(os.environ):
    if name.lower().endswith("_proxy"):
        del os.environ[name]
os.environ["http_proxy"] = f"http://127.0.0.1:{server.server_port}"
for host, exceptions in CASES:
    os.environ["no_proxy"] = exceptions
    direct = []
    for name, get in CLIENTS.items():
        try:
            assert get(f"http://{host}:{PORT}/") == 204
        except (requests.ConnectionError, httpx.ConnectError, aiohttp.ClientConnectorError):
            direct.append(name)
    print(f"{host} with NO_PROXY={exceptions}: direct in", *direct or ["none"])
PYTHON
venv/bin/python look.py | tee seen
cat > expected <<'SEEN'
127.0.0.1 with NO_PROXY=127.0.0.1: direct in requests httpx aiohttp
127.0.0.1 with NO_PROXY=127.0.0.0/8: direct in requests
127.0.0.1 with NO_PROXY=127.0.0.1:9: direct in httpx
tasks.corp.invalid with NO_PROXY=.corp.invalid: direct in requests httpx aiohttp
tasks.corp.invalid with NO_PROXY=corp.invalid: direct in requests httpx aiohttp
tasks.corp.invalid with NO_PROXY=*.corp.invalid: direct in none
tasks.corp.invalid with NO_PROXY=tasks.corp.invalid:9: direct in requests httpx
SEEN
if ! diff expected seen; then
    echo "The clients behave otherwise now"
    exit 1
fi
echo "as described"

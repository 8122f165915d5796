#!/usr/bin/env bash
# aiohttp reads the trusted certificates when it is imported, and SSL_CERT_FILE counts only if it was set before.
#
# Guess: a client reads SSL_CERT_FILE when it makes its first TLS connection, or when a session is opened.
# Seen with aiohttp 3.14.3, httpx 0.28.1 and Python 3.11 to 3.13: a program imports all three clients, sets the variable to
# a file with a private authority, and asks a server of that authority. urllib and httpx trust the server. A new session of
# aiohttp does not, since its context is a constant of a module. It does if the request names a context that is made now.
# The same constant makes each import of aiohttp read all authorities of the system: 40 ms of 70 on a slow machine, also in
# a program that sends no request over TLS.
# It would hurt: a program that sets the variable from its own configuration, or by a library such as python-dotenv after
# its imports, works with the other clients, and its requests by aiohttp fail.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet aiohttp==3.14.3 httpx==0.28.1 trustme==1.2.1
seen=$(env -u SSL_CERT_FILE -u SSL_CERT_DIR no_proxy='*' "$folder/venv/bin/python" - "$folder/authority.pem" <<'PYTHON'
import asyncio
import os
import ssl
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import aiohttp
import httpx
import trustme


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


authority = trustme.CA()
authority.cert_pem.write_to_path(sys.argv[1])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
authority.issue_cert("localhost").configure_cert(context)
server = HTTPServer(("127.0.0.1", 0), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"https://localhost:{server.server_port}/"


async def by_aiohttp(**options):
    async with aiohttp.ClientSession() as session:
        try:
            async with session.get(address, **options) as response:
                return response.status
        except aiohttp.ClientConnectorCertificateError:
            return "not trusted"


os.environ["SSL_CERT_FILE"] = sys.argv[1]
print("urllib", urllib.request.urlopen(address).status)
print("httpx", httpx.get(address).status_code)
print("aiohttp", asyncio.run(by_aiohttp()))
print("aiohttp, a context of now", asyncio.run(by_aiohttp(ssl=ssl.create_default_context())))
PYTHON
)
echo "$seen"
expected="urllib 200
httpx 200
aiohttp not trusted
aiohttp, a context of now 200"
if [ "$seen" != "$expected" ]; then
    echo 'aiohttp behaves otherwise now' >&2
    exit 1
fi

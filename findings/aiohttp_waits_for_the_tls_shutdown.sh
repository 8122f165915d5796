#!/usr/bin/env bash
# aiohttp keeps the socket of a request over TLS that has timed out, although it opens another one in its place.
#
# Guess: a request that times out closes its connection, over TLS as over plain TCP, and a closed session has no socket.
# Seen with aiohttp 3.14.5 and a server that reads a request and nothing more: over plain TCP the socket is closed at the
# time limit. Over TLS, asyncio waits for the server's part of the TLS shutdown, for 30 seconds. The connector with a
# limit of one opens the next connection meanwhile, and the sockets are still there after the session's close().
# It would hurt: a job whose API hangs holds many times the connections that its limit says.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet aiohttp==3.14.5
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out cert.pem -days 2 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost 2> /dev/null
cat > look.py <<'PYTHON'
import asyncio
import os
import socket
import ssl
import threading

import aiohttp


def hang(listener, context):
    while True:
        plain = listener.accept()[0]
        kept.append(context.wrap_socket(plain, server_side=True) if context else plain)


def sockets():
    found = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    return sum(os.path.exists(name) and os.readlink(name).startswith("socket:") for name in found)


async def ask(url, trusted):
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=1), timeout=aiohttp.ClientTimeout(total=0.3)
    ) as session:
        for _ in range(5):
            try:
                await session.get(url, ssl=trusted)
            except TimeoutError:
                pass
    # The server has accepted five, and their other ends are five, too, if they are open.
    return sockets()


kept = []
server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
server.load_cert_chain("cert.pem", "key.pem")
for scheme, context, trusted in [
    ("http", None, True),
    ("https", server, ssl.create_default_context(cafile="cert.pem")),
]:
    kept.clear()
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=hang, args=(listener, context), daemon=True).start()

    async def main():
        begin = sockets()
        now = await ask(f"{scheme}://localhost:{listener.getsockname()[1]}/", trusted)
        return now - begin - len(kept)

    print(scheme, "leaves", asyncio.run(main()), "sockets of", len(kept), "open")
PYTHON
venv/bin/python -W ignore look.py | tee seen
printf '%s\n' 'http leaves 0 sockets of 5 open' 'https leaves 5 sockets of 5 open' > expected
if ! diff expected seen; then
    echo "aiohttp behaves otherwise now"
    exit 1
fi
echo "as described"

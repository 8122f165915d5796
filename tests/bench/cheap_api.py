"""The cheapest server that answers as KooDrive does, so that a benchmark measures the client.

Call it as ``cheap_api.py [--latency SECONDS] [--certificate FILE --key FILE]``; with a certificate it speaks TLS. It
knows every ID, reads only the path of a request, and prints its base URL when it is ready.
"""

import argparse
import asyncio
import ssl

BODY = (
    '{"taskId":"%s","taskName":"lym0412normal","taskType":0,"tenantId":"d5ac574bd2934a69baa4f23c55daa8d4",'
    '"userId":"1390000004871666","status":%d,%s"code":0,"msg":"success"}'
)
SUCCEEDED = (2, "")
FAILED = (3, '"resultCode":"18000205",')
HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=UTF-8\r\nContent-Length: %d\r\n\r\n%s"
END_OF_REQUEST = b"\r\n\r\n"


class CheapApi(asyncio.Protocol):
    """One connection, kept alive."""

    def __init__(self, latency):
        self._latency = latency

    def connection_made(self, transport):
        self._transport = transport
        self._received = b""

    def data_received(self, data):
        *requests, self._received = (self._received + data).split(END_OF_REQUEST)
        for request in requests:
            path = request[: request.index(b" ", 4)]
            response = answer(path.rpartition(b"/")[2].decode())
            if self._latency:
                asyncio.get_running_loop().call_later(self._latency, self._transport.write, response)
            else:
                self._transport.write(response)


def answer(task_id):
    """Return the state of a task: one in five has failed, by the last digit of its ID."""
    body = BODY % (task_id, *(FAILED if task_id.endswith("0") else SUCCEEDED))
    return (HEAD % (len(body), body)).encode()


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    return parser.parse_args()


async def serve(latency, certificate, key):
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) if certificate else None
    if tls:
        tls.load_cert_chain(certificate, key)
    server = await asyncio.get_running_loop().create_server(lambda: CheapApi(latency), "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    print(f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(**vars(options())))

"""The cheapest server that answers as KooDrive does, so that a benchmark measures the client: ``cheap_api.py``.

The server knows every ID, reads only the path of a request, and prints its base URL when it is ready.
"""

import asyncio

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

    def connection_made(self, transport):
        self._transport = transport
        self._received = b""

    def data_received(self, data):
        *requests, self._received = (self._received + data).split(END_OF_REQUEST)
        for request in requests:
            path = request[: request.index(b" ", 4)]
            self._transport.write(answer(path.rpartition(b"/")[2].decode()))


def answer(task_id):
    """Return the state of a task: one in five has failed, by the last digit of its ID."""
    body = BODY % (task_id, *(FAILED if task_id.endswith("0") else SUCCEEDED))
    return (HEAD % (len(body), body)).encode()


async def serve():
    server = await asyncio.get_running_loop().create_server(CheapApi, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())

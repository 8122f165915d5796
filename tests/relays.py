"""Real servers on the loopback between the job and a stand-in: a forward proxy, and one that speaks TLS for it."""

import asyncio
import re
import socket
import ssl
from contextlib import asynccontextmanager, contextmanager, suppress
from threading import Event, Thread
from urllib.parse import urlsplit

CONNECTED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class ForwardProxy:
    """An HTTP proxy that takes every name for this machine."""

    def __init__(self, *, authorization=None, status=None, scheme="http"):
        self.authorization = authorization
        """The header that the proxy demands; None if it demands none."""
        self.status = status
        """A status that refuses every request, such as ``503 Service Unavailable``."""
        self.asked = []
        """The first line of each request."""
        self.port = 0
        self.scheme = scheme

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}"

    async def serve(self, reader, writer):
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            line, _, headers = head.partition(b"\r\n")
            self.asked.append(line.decode())
            if refusal := self._refusal(headers):
                writer.write(f"HTTP/1.1 {refusal}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            else:
                await self._relay(line.decode().split(), headers, reader, writer)
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    def _refusal(self, headers):
        given = re.search(rb"^proxy-authorization: *(.*)\r$", headers, re.MULTILINE | re.IGNORECASE)
        if self.authorization and (given is None or given[1].decode() != self.authorization):
            return "407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=company"
        return self.status

    async def _relay(self, words, headers, reader, writer):
        method, target, _ = words
        url = urlsplit(f"//{target}" if method == "CONNECT" else target)
        there, writer_there = await asyncio.open_connection("127.0.0.1", url.port or 80)
        if method == "CONNECT":
            writer.write(CONNECTED)
        else:
            path = url.path or "/"
            writer_there.write(f"{method} {path} HTTP/1.1\r\n".encode() + headers)
        await pipe_both(reader, writer, there, writer_there)


async def pipe_both(reader, writer, there, writer_there):
    try:
        await asyncio.gather(_pipe(reader, writer_there), _pipe(there, writer))
    finally:
        writer_there.transport.abort()


async def _pipe(reader, writer):
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    with suppress(OSError, RuntimeError):
        writer.close()


@asynccontextmanager
async def forwarding(tls=None, **behaviour):
    proxy = ForwardProxy(scheme="https" if tls else "http", **behaviour)
    async with _serving(proxy.serve, tls) as proxy.port:
        yield proxy


@asynccontextmanager
async def speaking_tls(context, address):
    """Speak TLS on a port, whose number this yields, for a server of plain HTTP at an address."""
    port = urlsplit(address).port

    async def serve(reader, writer):
        there, writer_there = await asyncio.open_connection("127.0.0.1", port)
        await pipe_both(reader, writer, there, writer_there)

    async with _serving(serve, context) as own_port:
        yield own_port


@asynccontextmanager
async def _serving(serve, tls):
    connections = set()

    async def serve_one(reader, writer):
        connections.add(asyncio.current_task())
        try:
            await serve(reader, writer)
        except asyncio.CancelledError:
            # The test is over.
            pass
        finally:
            connections.discard(asyncio.current_task())
            writer.transport.abort()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for connection in connections:
            connection.cancel()
        # One more turn of the loop closes what was aborted.
        await asyncio.gather(*connections, return_exceptions=True)
        await asyncio.sleep(0)


@contextmanager
def hanging_tls(context, is_closed):
    """Read one request over TLS, and answer nothing; the event is set when the client has closed the connection."""

    def hang():
        with context.wrap_socket(listener.accept()[0], server_side=True) as connection:
            connection.settimeout(60)
            # The plain socket shows the end of the connection, and hides a TLS shutdown.
            with suppress(OSError):
                while socket.socket.recv(connection, 1 << 16):
                    pass
            is_closed.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=hang)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


@contextmanager
def blocking_tls(context, response):
    """Answer every request over TLS in a thread; unlike asyncio, this sends the alerts of a failed handshake."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer(plain):
            plain.settimeout(10)
            connection = (
                context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) if context else plain
            )
            with connection:
                try:
                    if connection.recv(1 << 16):
                        connection.sendall(response)
                except ssl.SSLError:
                    # To close on unread data would reset the connection, and the alert would be lost.
                    socket.socket.shutdown(connection, socket.SHUT_WR)
                    while socket.socket.recv(connection, 1 << 16):
                        pass

        def serve():
            with suppress(OSError):
                while connection := listener.accept()[0]:
                    with connection, suppress(OSError):
                        answer(connection)

        thread = Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextmanager
def in_thread(open_server):
    """Keep a server of this module open in a thread of its own, for a job in this one."""
    started, over, found = Event(), Event(), []

    async def serve():
        async with open_server as value:
            found.append(value)
            started.set()
            await asyncio.to_thread(over.wait)

    thread = Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    started.wait(10)
    try:
        yield found[0]
    finally:
        over.set()
        thread.join()

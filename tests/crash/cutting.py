"""A proxy before a PostgreSQL server that cuts connections before or after the server receives COMMIT."""

import contextlib
import random
import socket
import threading
from contextlib import contextmanager

COMMIT = b"COMMIT\x00"
CHUNK = 65_536
CHANCE = 1 / 4
MAX_CUTS = 12
"""The cuts, at most: without a bound, all attempts of an operation with four commits could lose a connection."""


class Proxy:
    """Forwards bytes; of the commits, one in four loses its connection, before and after it in turn."""

    def __init__(self, server_socket, *, seed):
        self._server_socket = server_socket
        self._chance = random.Random(seed)
        self.is_armed = False
        self.cut_before = self.cut_after = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client, socket.socket(socket.AF_UNIX) as server, contextlib.suppress(OSError):
            server.connect(str(self._server_socket))
            # Once this is set, the proxy reads the replies and does not pass them on.
            deaf = threading.Event()
            answers = threading.Thread(target=self._answer, args=(server, client, deaf), daemon=True)
            answers.start()
            while received := client.recv(CHUNK):
                cut = self._is_to_be_cut(received)
                if cut == "before":
                    break
                if cut == "after":
                    deaf.set()
                    server.sendall(received)
                    # The server receives the commit, and its reply arrives before the connection ends.
                    server.shutdown(socket.SHUT_WR)
                    answers.join()
                    break
                server.sendall(received)
            # Closing alone would not wake a blocked reader.
            for end in (client, server):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _is_to_be_cut(self, received):
        if COMMIT not in received or not self.is_armed or self._is_done() or self._chance.random() > CHANCE:
            return None
        cut = "before" if self.cut_before == self.cut_after else "after"
        self.cut_before += cut == "before"
        self.cut_after += cut == "after"
        return cut

    def _is_done(self):
        return self.cut_before + self.cut_after == MAX_CUTS

    @staticmethod
    def _answer(server, client, deaf):
        with contextlib.suppress(OSError):
            while received := server.recv(CHUNK):
                if not deaf.is_set():
                    client.sendall(received)


@contextmanager
def cutting(server_socket, *, seed):
    proxy = Proxy(server_socket, seed=seed)
    try:
        yield proxy
    finally:
        proxy.close()

"""A real server on the loopback that receives posts, and answers them as a test wants."""

import json
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from threading import Event

from tests.http_servers import serving

SECRET_PATH = "/services/T0/B0/CANARY-7c41"


class Receiver:
    """The posts that a server received, and how it answers."""

    def __init__(self):
        self.url = ""
        self.status = 200
        self.service = lambda path, body: (self.status, b"")
        """Answers a post with a status and a body."""
        self.seconds = 0.0
        """The delay of an answer."""
        self.posts = []
        """The path, headers and body of each post."""
        self.is_over = Event()

    @property
    def keys(self):
        return [headers["Idempotency-Key"] for _, headers, _ in self.posts]

    @property
    def kinds(self):
        return [key.rpartition(":")[2] for key in self.keys]

    @property
    def texts(self):
        return [json.loads(body)["text"] for _, _, body in self.posts]


@contextmanager
def receiving(path=SECRET_PATH):
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.posts.append((self.path, dict(self.headers), body))
            receiver.is_over.wait(receiver.seconds)
            status, answer = receiver.service(self.path, body)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", receiver.url)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments):
            pass

        def handle(self):
            # The client may have closed the connection before the answer.
            with suppress(OSError):
                super().handle()

    with serving(Handler) as url:
        receiver.url = f"{url}{path}"
        try:
            yield receiver
        finally:
            receiver.is_over.set()

"""An API that repeats what it is told, as proxies and careless services do: everywhere, and in every form."""

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from threading import Thread

from tests.canary import FORMS
from tests.nights import FIRST_ID

JSON = {"Content-Type": "application/json"}


def good(task_id, **fields):
    usual = {"taskId": task_id, "taskName": "n", "taskType": 0, "tenantId": "t", "userId": "u", "status": 2}
    return 200, JSON, json.dumps(usual | {"code": 0, "msg": "success"} | fields)


def error(status, code, said):
    return status, JSON, json.dumps({"error_code": code, "error_msg": said})


def escaped(text):
    """Write a text as JSON allows it, and nobody does."""
    return "".join(f"\\u{ord(sign):04x}" for sign in text)


PLACES = {
    "name of a task": lambda task_id, said: good(task_id, taskName=f"of {said}"),
    "message of success": lambda task_id, said: good(task_id, msg=said),
    "result code": lambda task_id, said: good(task_id, status=3, resultCode=said),
    "tenant": lambda task_id, said: good(task_id, tenantId=said, userId=said),
    "name of a field": lambda task_id, said: good(task_id, **{said: 1}),
    "long name of a field": lambda task_id, said: good(task_id, **{"x" * 50 + said: {said: said}}),
    "message of an error": lambda _, said: error(400, "APIGW.9999", f"wrong: {said}!"),
    "code of an error": lambda _, said: error(404, said, "no such task"),
    "no JSON": lambda _, said: (200, JSON, f"{{{said} {said}"),
    "another task": lambda _, said: good("1", taskName=said),
    "kind of content": lambda _, said: (200, {"Content-Type": f"text/{said}"}, "x"),
    "kind of content of an error": lambda _, said: (406, {"Content-Type": f"text/{said}"}, said),
    "redirect": lambda _, said: (302, {"Location": f"http://127.0.0.1:9/?token={said}"}, said),
    "escapes": lambda task_id, said: (200, JSON, good(task_id)[2].replace('"n"', f'"{escaped(said)}"')),
}
"""Where the answer about a task repeats it."""

ASKS = {str(FIRST_ID + (number << 23)): each for number, each in enumerate(product(FORMS, PLACES))}
"""Which task is answered how."""

THROTTLED, FAILING, HONEST = (str(FIRST_ID + (number << 23)) for number in (1_000, 1_001, 1_002))


class RepeatingApi:
    """What it was told, and what it answers where that is not about a task."""

    def __init__(self):
        self.url = ""
        self.refusal = None
        """Status, code: of every answer, if set."""
        self.told = []
        """Headers of each request."""
        self.posts = []
        """Path and body of each."""

    def answer(self, task_id, authorization):
        if self.refusal is not None:
            status, code = self.refusal
            said = " ".join(write(authorization) for write in FORMS.values())
            return error(status, code, f"{said} and {authorization.rpartition(' ')[2]}")
        if task_id in ASKS:
            form, place = ASKS[task_id]
            return PLACES[place](task_id, FORMS[form](authorization.rpartition(" ")[2]))
        if task_id == FAILING:
            return error(500, "APIGW.0601", authorization)
        if task_id == THROTTLED and sum(task_id in path for path, _ in self.told) == 1:
            status, headers, body = error(429, "APIGW.0308", authorization)
            return status, headers | {"Retry-After": "x" * 50 + authorization}, body
        return good(task_id)


@contextmanager
def repeating():
    api = RepeatingApi()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            api.told.append((self.path, dict(self.headers)))
            self.reply(*api.answer(self.path.rpartition("/")[2], self.headers.get("Authorization", "")))

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            api.told.append((self.path, dict(self.headers)))
            api.posts.append((self.path, body))
            # Headers, path and body come back; whoever logs an answer shows them.
            self.reply(api.refusal[0] if api.refusal else 200, JSON, f"{self.path} {dict(self.headers)} {body!r}")

        do_PUT = do_POST  # noqa: N815 - the name that the library looks for

        def reply(self, status, headers, body):
            octets = body.encode()
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(octets))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(octets)

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        api.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()

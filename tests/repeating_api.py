"""An API that repeats the secrets it receives, as careless proxies do: everywhere, and in every form."""

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from itertools import product

from tests.canary import FORMS
from tests.http_servers import serving
from tests.nights import FIRST_ID

JSON = {"Content-Type": "application/json"}


def good(task_id, **fields):
    usual = {"taskId": task_id, "taskName": "n", "taskType": 0, "tenantId": "t", "userId": "u", "status": 2}
    return 200, JSON, json.dumps(usual | {"code": 0, "msg": "success"} | fields)


def error(status, code, message):
    return status, JSON, json.dumps({"error_code": code, "error_msg": message})


def escaped(text):
    """Write every character of a text as a JSON escape."""
    return "".join(f"\\u{ord(character):04x}" for character in text)


PLACES = {
    "name of a task": lambda task_id, secret: good(task_id, taskName=f"of {secret}"),
    "message of success": lambda task_id, secret: good(task_id, msg=secret),
    "result code": lambda task_id, secret: good(task_id, status=3, resultCode=secret),
    "tenant": lambda task_id, secret: good(task_id, tenantId=secret, userId=secret),
    "name of a field": lambda task_id, secret: good(task_id, **{secret: 1}),
    "long name of a field": lambda task_id, secret: good(task_id, **{"x" * 50 + secret: {secret: secret}}),
    "message of an error": lambda _, secret: error(400, "APIGW.9999", f"wrong: {secret}!"),
    "code of an error": lambda _, secret: error(404, secret, "no such task"),
    "no JSON": lambda _, secret: (200, JSON, f"{{{secret} {secret}"),
    "another task": lambda _, secret: good("1", taskName=secret),
    "kind of content": lambda _, secret: (200, {"Content-Type": f"text/{secret}"}, "x"),
    "kind of content of an error": lambda _, secret: (406, {"Content-Type": f"text/{secret}"}, secret),
    "redirect": lambda _, secret: (302, {"Location": f"http://127.0.0.1:9/?token={secret}"}, secret),
    "escapes": lambda task_id, secret: (200, JSON, good(task_id)[2].replace('"n"', f'"{escaped(secret)}"')),
}
"""Responses about a task that repeat a text, by the place of the text."""

REPEATING_TASKS = {str(FIRST_ID + (number << 23)): each for number, each in enumerate(product(FORMS, PLACES))}
"""The form and the place of the secret in the response about each task."""

THROTTLED, FAILING, HONEST = (str(FIRST_ID + (number << 23)) for number in (1_000, 1_001, 1_002))


class RepeatingApi:
    """The requests so far, and the response to requests that are not about a task."""

    def __init__(self):
        self.url = ""
        self.task_name = "n"
        """The name of every task whose response repeats nothing."""
        self.result_code = None
        self.reply = None
        """Makes the response to every request about a task of its ID, if set."""
        self.refusal = None
        """The status and the code of every response, if set."""
        self.received = []
        """The path and the headers of each request."""
        self.posts = []
        """The path and the body of each POST request."""

    def answer(self, task_id, authorization):
        if self.reply is not None:
            return self.reply(task_id)
        if self.refusal is not None:
            status, code = self.refusal
            secret = " ".join(write(authorization) for write in FORMS.values())
            return error(status, code, f"{secret} and {authorization.rpartition(' ')[2]}")
        if task_id in REPEATING_TASKS:
            form, place = REPEATING_TASKS[task_id]
            return PLACES[place](task_id, FORMS[form](authorization.rpartition(" ")[2]))
        if task_id == FAILING:
            return error(500, "APIGW.0601", authorization)
        if task_id == THROTTLED and sum(task_id in path for path, _ in self.received) == 1:
            status, headers, body = error(429, "APIGW.0308", authorization)
            return status, headers | {"Retry-After": "x" * 50 + authorization}, body
        code = {"status": 3, "resultCode": self.result_code} if self.result_code else {}
        return good(task_id, taskName=self.task_name, **code)


@contextmanager
def repeating():
    api = RepeatingApi()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            api.received.append((self.path, dict(self.headers)))
            self.respond(*api.answer(self.path.rpartition("/")[2], self.headers.get("Authorization", "")))

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            api.received.append((self.path, dict(self.headers)))
            api.posts.append((self.path, body))
            # The response repeats headers, path and body, so that a client that logs it shows them.
            self.respond(api.refusal[0] if api.refusal else 200, JSON, f"{self.path} {dict(self.headers)} {body!r}")

        do_PUT = do_POST  # noqa: N815 - the name that the library looks for

        def respond(self, status, headers, body):
            octets = body.encode()
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(octets))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(octets)

        def log_message(self, *arguments):
            pass

    with serving(Handler) as api.url:
        yield api

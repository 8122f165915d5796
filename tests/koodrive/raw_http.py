"""Raw HTTP messages, and the credentials that the tests of the client share."""

import json
import re

from etl.fake_api import Behaviour

TASK_ID = "1534087020903704704"


TOKEN = "t0ken-of-trust"


APP = {"auth": "app", "app_id": "a378331e", "app_secret": "s3cret-of-the-app"}


APP_BEHAVIOUR = Behaviour(app_id=APP["app_id"], app_secret=APP["app_secret"])


RUN_ID = "0193b4e4-7c1e-7d8a-9c55-2f6a1b3c4d5e"


HONEST = json.dumps({"taskId": TASK_ID, "status": 2, "code": 0}).encode()


def http(body=HONEST, *, status="200 OK", content_type="application/json", headers=()):
    head = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode(errors="surrogateescape") + b"\r\n\r\n" + body


def header(request, name):
    found = re.search(rf"^{name}: (.*)\r$", request, re.MULTILINE | re.IGNORECASE)
    return found and found[1]

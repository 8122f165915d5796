"""The shapes of an answer: a body of JSON, the two documented shapes of an error, and a page for people."""

from itertools import count

import msgspec
from aiohttp import web

JSON_HEADERS = {"Content-Type": "application/json;charset=UTF-8"}

HTML_PAGE = "<!DOCTYPE html><html><head><title>Maintenance</title></head><body><h1>Back soon</h1></body></html>"

THRESHOLD_REACHED = "The throttling threshold has been reached"

request_numbers = count(1)


def json_reply(value: object, *, status: int = 200) -> web.Response:
    """Answer with a value as JSON."""
    return raw_json_reply(msgspec.json.encode(value), status=status)


def raw_json_reply(body: bytes, *, status: int = 200) -> web.Response:
    """Answer with bytes that claim to be JSON."""
    return web.Response(body=body, status=status, headers=JSON_HEADERS)


def service_error(code: int, msg: str, *, status: int = 400) -> web.Response:
    """Answer as KooDrive's service does when it refuses."""
    return json_reply({"code": code, "msg": msg}, status=status)


def html_reply(status: int = 200) -> web.Response:
    """Answer with a page for people, as a proxy would send it."""
    return web.Response(text=HTML_PAGE, content_type="text/html", status=status)


def gateway_error(error_code: str, error_msg: str, *, status: int, retry_after: str | None = None) -> web.Response:
    """Answer as the API gateway in front of the service does when it refuses."""
    request_id = f"{next(request_numbers):032x}"
    reply = json_reply({"error_code": error_code, "error_msg": error_msg, "request_id": request_id}, status=status)
    reply.headers["X-Request-Id"] = request_id
    if retry_after is not None:
        reply.headers["Retry-After"] = retry_after
    return reply


def throttled(limit: int | None, *, retry_after: str | None = None) -> web.Response:
    """Answer as the gateway does above the rate, with the sentence its documentation shows; or with no limit in it."""
    policy = "" if limit is None else f": policy api over ratelimit,limit:{limit},time:1 second"
    return gateway_error("APIGW.0308", THRESHOLD_REACHED + policy, status=429, retry_after=retry_after)

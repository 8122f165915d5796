"""The forms of a response: JSON, the two documented forms of an error, and an HTML page."""

from itertools import count

import msgspec
from aiohttp import web

JSON_HEADERS = {"Content-Type": "application/json;charset=UTF-8"}

HTML_PAGE = "<!DOCTYPE html><html><head><title>Maintenance</title></head><body><h1>Back soon</h1></body></html>"

THRESHOLD_REACHED = "The throttling threshold has been reached"

request_numbers = count(1)


def json_response(value: object, *, status: int = 200) -> web.Response:
    """Respond with a value as JSON."""
    return raw_json_response(msgspec.json.encode(value), status=status)


def raw_json_response(body: bytes, *, status: int = 200) -> web.Response:
    """Respond with bytes of the type JSON, whatever they hold."""
    return web.Response(body=body, status=status, headers=JSON_HEADERS)


def service_error(code: int, msg: str, *, status: int = 400) -> web.Response:
    """Respond as KooDrive's service does to a request that it refuses."""
    return json_response({"code": code, "msg": msg}, status=status)


def html_response(status: int = 200) -> web.Response:
    """Respond with an HTML page, as a proxy would."""
    return web.Response(text=HTML_PAGE, content_type="text/html", status=status)


def gateway_error(error_code: str, error_msg: str, *, status: int, retry_after: str | None = None) -> web.Response:
    """Respond as the API gateway does to a request that it refuses."""
    request_id = f"{next(request_numbers):032x}"
    response = json_response(
        {"error_code": error_code, "error_msg": error_msg, "request_id": request_id}, status=status
    )
    response.headers["X-Request-Id"] = request_id
    if retry_after is not None:
        response.headers["Retry-After"] = retry_after
    return response


def throttled(limit: int | None, *, retry_after: str | None = None) -> web.Response:
    """Respond as the gateway does above the rate limit, in the documented words; ``None`` leaves the limit out."""
    policy = "" if limit is None else f": policy api over ratelimit,limit:{limit},time:1 second"
    return gateway_error("APIGW.0308", THRESHOLD_REACHED + policy, status=429, retry_after=retry_after)

"""How long the API asks clients to wait, and which rate it allows. Pure.

Gateways and proxies have many forms for this, and any of them may stand in front of KooDrive. A header that makes no
sense is ignored, as the standards demand, and reported for a warning. A long wait is returned unchanged: the caller
decides how long is too long.
"""

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from etl.koodrive.http_date import http_date
from etl.redaction import redact

UNIT_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
"""The units of Huawei's gateway."""

PERIOD = r"limit: ?([0-9]{1,15}), ?time: ?([0-9]{1,15}) ?(second|minute|hour|day)"
GATEWAY_SENTENCE = re.compile(r"over ratelimit, ?" + PERIOD)
GATEWAY_FIELD = re.compile(r"remain: ?([0-9]{1,15}), ?" + PERIOD)

NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
QUOTED = re.compile(r'"[^"]*"')

MIN_EPOCH = 10**9
"""A larger reset is not a number of seconds from now, but a time in seconds since 1970."""

MAX_HEADER_EXCERPT = 64
"""Characters of an ignored header, at most; a log line stays short."""

UNREADABLE = (ValueError, LookupError, OverflowError)
"""Errors of the readers for a header that makes no sense."""


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """When to send the next request; each field is None if the API does not name it."""

    wait_seconds: float | None = None
    """0 means that no requests are left, and that no header names a time."""
    allowed_rate: float | None = None
    """Requests per second, above 0: the lowest rate of all that are named."""
    ignored: str | None = None
    """The first header that made no sense, and the beginning of its value."""


class Line(msgspec.Struct, frozen=True):
    """A header, with the others of its response."""

    name: str
    """The name in lower case."""
    value: str
    others: Mapping[str, str]
    now: datetime
    """The time of the server's clock if its Date header names one, since its other dates refer to that clock."""


def advice(headers: Mapping[str, str], message: str, *, now: datetime) -> Advice:
    """Read from an error response when to send the next request.

    Args:
        headers: the response's headers, with names in any case; a multi-mapping holds every line of a repeated header.
        message: the message in the body.
        now: the time of the response.
    """
    others = {name.lower(): value.strip() for name, value in headers.items()}
    server_now = http_date(others.get("date")) or now
    found = [_gateway_sentence(message)]
    ignored = None
    for name, value in headers.items():
        if (reader := READERS.get(name.lower())) is None:
            continue
        try:
            found.append(reader(Line(name.lower(), value.strip(), others, server_now)))
        except UNREADABLE:
            ignored = ignored or f"{name} {redact(value)[:MAX_HEADER_EXCERPT]!r}"
    waits = [(each.rank, -each.wait_seconds) for each in found if each.wait_seconds is not None]
    rates = [each.allowed_rate for each in found if each.allowed_rate is not None]
    # The lowest rank comes first, and in it the longest wait.
    wait_seconds = -min(waits)[1] if waits else None
    return Advice(wait_seconds=wait_seconds, allowed_rate=min(rates, default=None), ignored=ignored)


class HeaderAdvice(msgspec.Struct, frozen=True, kw_only=True):
    """The content of one header. A lower rank outweighs a higher one."""

    rank: int = 2
    wait_seconds: float | None = None
    allowed_rate: float | None = None


def _retry_after(line: Line) -> HeaderAdvice:
    """Read seconds or an HTTP date (RFC 9110, 10.2.3)."""
    if NUMBER.fullmatch(line.value):
        return HeaderAdvice(rank=0, wait_seconds=_number(line.value))
    if (date := http_date(line.value)) is None:
        raise ValueError(line.value)
    return HeaderAdvice(rank=0, wait_seconds=_not_negative((date - line.now).total_seconds()))


def _retry_after_ms(line: Line) -> HeaderAdvice:
    """Read the milliseconds of Azure."""
    return HeaderAdvice(rank=1, wait_seconds=_number(line.value) / 1000)


def _gateway_field(line: Line) -> HeaderAdvice:
    """Read Huawei's ``remain:9,limit:10,time:10 second``."""
    if not (found := GATEWAY_FIELD.fullmatch(line.value)):
        raise ValueError(line.value)
    remaining, limit, time, unit = found.groups()
    seconds = int(time) * UNIT_SECONDS[unit]
    return HeaderAdvice(
        wait_seconds=None if int(remaining) else float(seconds), allowed_rate=_rate(int(limit), seconds)
    )


def _gateway_sentence(message: str) -> HeaderAdvice:
    """Read Huawei's ``policy user over ratelimit,limit:10,time:1 minute``."""
    if not (found := GATEWAY_SENTENCE.search(message)):
        return HeaderAdvice()
    limit, time, unit = int(found[1]), int(found[2]), found[3]
    return HeaderAdvice(allowed_rate=_rate(limit, time * UNIT_SECONDS[unit]) if limit and time else None)


def _remaining(line: Line) -> HeaderAdvice:
    """Read ``RateLimit-Remaining``; only the reset names a time."""
    return HeaderAdvice(wait_seconds=None if _number(line.value) else 0.0)


def _reset(line: Line) -> HeaderAdvice:
    """Read ``RateLimit-Reset``, seconds from now or since 1970; it matters only if no requests are left."""
    if line.others.get(line.name.replace("reset", "remaining")) != "0":
        return HeaderAdvice()
    seconds = _number(line.value)
    if seconds > MIN_EPOCH:
        seconds = _not_negative(seconds - line.now.timestamp())
    return HeaderAdvice(wait_seconds=seconds)


def _limit(line: Line) -> HeaderAdvice:
    """Read ``RateLimit-Limit: 10, 10;w=1, 100;w=60``; a limit without a window gives no rate."""
    limits = [(_number(item[""]), item.get("w")) for item in _items(line.value)]
    rates = [_rate(limit, _number(window)) for limit, window in limits if window is not None]
    return HeaderAdvice(allowed_rate=min(rates, default=None))


def _policy(line: Line) -> HeaderAdvice:
    """Read ``RateLimit-Policy: "burst";q=10;w=1, "daily";q=1000;w=86400`` of the newest draft."""
    items = [item for item in _items(line.value) if item.get("qu", "requests") == "requests"]
    quotas = [(_number(item["q"]), item.get("w")) for item in items]
    rates = [_rate(quota, _number(window)) for quota, window in quotas if window is not None]
    return HeaderAdvice(allowed_rate=min(rates, default=None))


def _quota(line: Line) -> HeaderAdvice:
    """Read ``RateLimit: "burst";r=0;t=1`` of the newest draft, which names the remaining requests of a policy."""
    quotas = [(_number(item["r"]), _number(item.get("t", "0"))) for item in _items(line.value)]
    return HeaderAdvice(wait_seconds=max((seconds for remaining, seconds in quotas if not remaining), default=None))


READERS: dict[str, Callable[[Line], HeaderAdvice]] = {
    "retry-after": _retry_after,
    "retry-after-ms": _retry_after_ms,
    "x-ms-retry-after-ms": _retry_after_ms,
    "x-apig-ratelimit-api": _gateway_field,
    "x-apig-ratelimit-api-allenv": _gateway_field,
    "x-apig-ratelimit-app": _gateway_field,
    "x-apig-ratelimit-ip": _gateway_field,
    "x-apig-ratelimit-user": _gateway_field,
    "ratelimit": _quota,
    "ratelimit-policy": _policy,
    "ratelimit-limit": _limit,
    "ratelimit-remaining": _remaining,
    "ratelimit-reset": _reset,
    "x-ratelimit-limit": _limit,
    "x-ratelimit-remaining": _remaining,
    "x-ratelimit-reset": _reset,
}


def _items(value: str) -> list[dict[str, str]]:
    """Split a list of items with parameters; the empty name holds the item itself.

    The drafts use only this part of structured fields (RFC 9651). A separator in quotes is replaced first.
    """
    plain = QUOTED.sub(lambda found: re.sub("[,;=]", "_", found[0][1:-1]), value)
    items = []
    for item in plain.split(","):
        head, *parameters = (part.strip() for part in item.split(";"))
        pairs = (parameter.partition("=") for parameter in parameters)
        items.append({"": head} | {name: text for name, _, text in pairs if name})
    return items


def _number(text: str) -> float:
    """Read a number in the form of headers: ASCII digits without a sign or an exponent."""
    if not NUMBER.fullmatch(text) or not math.isfinite(number := float(text)):
        raise ValueError(text)
    return number


def _rate(limit: float, seconds: float) -> float:
    if not (seconds and 0 < (rate := limit / seconds) < math.inf):
        raise ValueError(limit, seconds)
    return rate


def _not_negative(seconds: float) -> float:
    if seconds < 0:
        raise ValueError(seconds)
    return seconds

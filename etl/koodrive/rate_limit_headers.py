"""How long the API asks everybody to wait, and how fast it says one may go. Pure.

Many spell it, each in its own way, and any of them may stand before KooDrive. What makes no sense is left aside, as the
standards demand, and named for a warning. A long wait is handed on as it is: whoever waits says what is too long.
"""

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from etl.koodrive.http_date import http_date
from etl.redaction import redact

UNIT_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
"""The words of Huawei's gateway."""

PERIOD = r"limit: ?([0-9]{1,15}), ?time: ?([0-9]{1,15}) ?(second|minute|hour|day)"
GATEWAY_SENTENCE = re.compile(r"over ratelimit, ?" + PERIOD)
GATEWAY_FIELD = re.compile(r"remain: ?([0-9]{1,15}), ?" + PERIOD)

NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
QUOTED = re.compile(r'"[^"]*"')

MIN_EPOCH = 10**9
"""A reset later than this many seconds is no distance but an instant, counted from 1970."""

MAX_QUOTE_CHARACTERS = 64

NONSENSE = (ValueError, LookupError, OverflowError)
"""What reading a header raises where it means nothing."""


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """What the API says about when to come back; each is None where it says nothing of it."""

    wait_seconds: float | None = None
    """0 is said too: of one who has nothing left, but not until when."""
    allowed_rate: float | None = None
    """Requests a second, above 0; the strictest where several are named."""
    ignored: str | None = None
    """The first header that made no sense, and the beginning of what it said."""


class Line(msgspec.Struct, frozen=True):
    """A header among the others."""

    name: str
    """In lower case."""
    value: str
    others: Mapping[str, str]
    now: datetime
    """By the server's clock where it has told the time: a date of its own is meant by that."""


def advice(headers: Mapping[str, str], message: str, *, now: datetime) -> Advice:
    """Read from a refusal when to come back.

    Args:
        headers: of the reply, their names in any case; a multi-mapping gives each line of a header that came twice.
        message: what the body says.
        now: when the reply came.
    """
    others = {name.lower(): value.strip() for name, value in headers.items()}
    server_now = http_date(others.get("date")) or now
    hints = [_gateway_sentence(message)]
    ignored = None
    for name, value in headers.items():
        if (reader := READERS.get(name.lower())) is None:
            continue
        try:
            hints.append(reader(Line(name.lower(), value.strip(), others, server_now)))
        except NONSENSE:
            ignored = ignored or f"{name} {redact(value)[:MAX_QUOTE_CHARACTERS]!r}"
    waits = [(hint.rank, -hint.wait_seconds) for hint in hints if hint.wait_seconds is not None]
    rates = [hint.allowed_rate for hint in hints if hint.allowed_rate is not None]
    # The lowest rank comes first, and in it the longest wait.
    wait_seconds = -min(waits)[1] if waits else None
    return Advice(wait_seconds=wait_seconds, allowed_rate=min(rates, default=None), ignored=ignored)


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """What one header says. A lower rank outweighs a higher one."""

    rank: int = 2
    wait_seconds: float | None = None
    allowed_rate: float | None = None


def _retry_after(line: Line) -> Hint:
    """Read seconds or an HTTP date (RFC 9110, 10.2.3)."""
    if NUMBER.fullmatch(line.value):
        return Hint(rank=0, wait_seconds=_number(line.value))
    if (date := http_date(line.value)) is None:
        raise ValueError(line.value)
    return Hint(rank=0, wait_seconds=_not_past((date - line.now).total_seconds()))


def _retry_after_ms(line: Line) -> Hint:
    """Read Azure's milliseconds."""
    return Hint(rank=1, wait_seconds=_number(line.value) / 1000)


def _gateway_field(line: Line) -> Hint:
    """Read Huawei's ``remain:9,limit:10,time:10 second``."""
    if not (found := GATEWAY_FIELD.fullmatch(line.value)):
        raise ValueError(line.value)
    remaining, limit, time, unit = found.groups()
    seconds = int(time) * UNIT_SECONDS[unit]
    return Hint(wait_seconds=None if int(remaining) else float(seconds), allowed_rate=_rate(int(limit), seconds))


def _gateway_sentence(message: str) -> Hint:
    """Read Huawei's ``policy user over ratelimit,limit:10,time:1 minute``."""
    if not (found := GATEWAY_SENTENCE.search(message)):
        return Hint()
    limit, time, unit = int(found[1]), int(found[2]), found[3]
    return Hint(allowed_rate=_rate(limit, time * UNIT_SECONDS[unit]) if limit and time else None)


def _remaining(line: Line) -> Hint:
    """Read ``RateLimit-Remaining``; how long nothing remains is said by the reset, if at all."""
    return Hint(wait_seconds=None if _number(line.value) else 0.0)


def _reset(line: Line) -> Hint:
    """Read ``RateLimit-Reset``, a distance or an instant, which matters to those who have nothing left."""
    if line.others.get(line.name.replace("reset", "remaining")) != "0":
        return Hint()
    seconds = _number(line.value)
    if seconds > MIN_EPOCH:
        seconds = _not_past(seconds - line.now.timestamp())
    return Hint(wait_seconds=seconds)


def _limit(line: Line) -> Hint:
    """Read ``RateLimit-Limit: 10, 10;w=1, 100;w=60``; a limit without its window says nothing of a rate."""
    limits = [(_number(item[""]), item.get("w")) for item in _items(line.value)]
    rates = [_rate(limit, _number(window)) for limit, window in limits if window is not None]
    return Hint(allowed_rate=min(rates, default=None))


def _policy(line: Line) -> Hint:
    """Read ``RateLimit-Policy: "burst";q=10;w=1, "daily";q=1000;w=86400``, the newest draft's limits."""
    items = [item for item in _items(line.value) if item.get("qu", "requests") == "requests"]
    quotas = [(_number(item["q"]), item.get("w")) for item in items]
    rates = [_rate(quota, _number(window)) for quota, window in quotas if window is not None]
    return Hint(allowed_rate=min(rates, default=None))


def _quota(line: Line) -> Hint:
    """Read ``RateLimit: "burst";r=0;t=1``, what the newest draft says is left of a policy."""
    quotas = [(_number(item["r"]), _number(item.get("t", "0"))) for item in _items(line.value)]
    return Hint(wait_seconds=max((seconds for remaining, seconds in quotas if not remaining), default=None))


READERS: dict[str, Callable[[Line], Hint]] = {
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
    """Take a list of items with parameters apart; an item itself stands under the empty name.

    Of structured fields (RFC 9651) this is all that the drafts use. A separator in quotes is replaced first.
    """
    plain = QUOTED.sub(lambda found: re.sub("[,;=]", "_", found[0][1:-1]), value)
    items = []
    for item in plain.split(","):
        head, *parameters = (part.strip() for part in item.split(";"))
        pairs = (parameter.partition("=") for parameter in parameters)
        items.append({"": head} | {name: text for name, _, text in pairs if name})
    return items


def _number(text: str) -> float:
    """Read a number as headers have it: no sign, no exponent, no digits but ours."""
    if not NUMBER.fullmatch(text) or not math.isfinite(number := float(text)):
        raise ValueError(text)
    return number


def _rate(limit: float, seconds: float) -> float:
    if not (seconds and 0 < (rate := limit / seconds) < math.inf):
        raise ValueError(limit, seconds)
    return rate


def _not_past(seconds: float) -> float:
    if seconds < 0:
        raise ValueError(seconds)
    return seconds

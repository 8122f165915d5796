"""Faults that ask the client to slow down, in every form in which a gateway or a proxy may say so."""

from collections.abc import Mapping
from datetime import timedelta
from email.utils import format_datetime

from aiohttp import web

from etl.fake_api.effects.ask import Ask, Effect, refuse
from etl.fake_api.replies import THRESHOLD_REACHED, gateway_error, throttled

LIMIT = 200
"""The documented limit of the gateway."""

DATE_AHEAD = timedelta(seconds=2)


async def throttled_date(ask: Ask) -> web.StreamResponse:
    """Throttle until a moment two seconds ahead, as an HTTP date."""
    return throttled(LIMIT, retry_after=format_datetime(ask.now + DATE_AHEAD, usegmt=True))


THROTTLING: Mapping[str, Effect] = {
    "http_429": refuse(lambda: throttled(LIMIT)),
    "throttled_retry_after": refuse(lambda: throttled(LIMIT, retry_after="1")),
    "throttled_date": throttled_date,
    "throttled_absurd": refuse(lambda: throttled(LIMIT, retry_after="soon")),
    "unavailable_retry_after": refuse(
        lambda: gateway_error("APIGW.0613", "IAM unavailable", status=503, retry_after="1")
    ),
    "throttled_200": refuse(lambda: gateway_error("APIG.0308", THRESHOLD_REACHED, status=200)),
    "throttled_503_code": refuse(lambda: gateway_error("APIGW.0308", THRESHOLD_REACHED, status=503)),
}

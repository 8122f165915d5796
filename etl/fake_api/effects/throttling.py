"""Faults that throttle the client, in every form that a gateway or a proxy may use."""

from collections.abc import Mapping
from datetime import timedelta
from email.utils import format_datetime

from aiohttp import web

from etl.fake_api.effects.effect import Effect, StruckRequest, refuse
from etl.fake_api.responses import THRESHOLD_REACHED, gateway_error, throttled

LIMIT = 200
"""Requests per second: the documented limit of the gateway."""

DATE_AHEAD = timedelta(seconds=2)


async def throttled_date(struck: StruckRequest) -> web.StreamResponse:
    """Throttle with an HTTP date two seconds ahead."""
    return throttled(LIMIT, retry_after=format_datetime(struck.now + DATE_AHEAD, usegmt=True))


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

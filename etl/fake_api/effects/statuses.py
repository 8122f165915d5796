"""Faults in the status: errors of the service, the gateway or a proxy between them, and a redirect."""

from collections.abc import Mapping
from functools import partial

from aiohttp import web

from etl.fake_api.effects.effect import Effect, StruckRequest, refuse
from etl.fake_api.responses import gateway_error, html_response, service_error

PROXY_STATUSES = (408, 409, 410, 421, 423, 425, 501, 505, 511, 520)
"""Undocumented statuses, sent with an HTML page."""


async def redirect(struck: StruckRequest) -> web.StreamResponse:
    """Redirect the client to another host, which must not receive its credentials."""
    return web.Response(status=302, headers={"Location": struck.redirect_to})


NOT_FOUND = refuse(lambda: service_error(13000309, "The resource does not exist", status=404))

STATUSES: Mapping[str, Effect] = {
    "not_found": NOT_FOUND,
    "forbidden": refuse(lambda: service_error(13000410, "The user may not operate on this space")),
    "http_204": refuse(lambda: web.Response(status=204)),
    "http_400": refuse(lambda: service_error(13000102, "Parameter check failed")),
    "http_400_unknown": refuse(lambda: service_error(99000001, "Something new went wrong")),
    "http_401": refuse(lambda: gateway_error("APIGW.0301", "Incorrect IAM authentication information", status=401)),
    "http_403": refuse(lambda: gateway_error("APIGW.0304", "The app is not authorized for the API", status=403)),
    "http_403_plain": refuse(lambda: web.Response(status=403, text="Forbidden")),
    "http_404": NOT_FOUND,
    "http_405": refuse(lambda: gateway_error("APIGW.0501", "The app quota has been used up", status=405)),
    "http_413_retry_after": refuse(
        lambda: gateway_error("APIGW.0201", "Request body too large", status=413, retry_after="1")
    ),
    "http_494": refuse(lambda: gateway_error("APIGW.0201", "Request headers too large", status=494)),
    "http_500": refuse(lambda: gateway_error("APIGW.0601", "Internal server error", status=500)),
    "http_502": refuse(lambda: gateway_error("APIGW.0201", "Backend unavailable", status=502)),
    "http_503": refuse(lambda: gateway_error("APIGW.0613", "IAM unavailable", status=503)),
    "http_504": refuse(lambda: gateway_error("APIGW.0201", "Backend timeout", status=504)),
    "business_error_200": refuse(lambda: service_error(13000201, "Inner server call failed", status=200)),
    "gateway_error_200": refuse(lambda: gateway_error("APIGW.0601", "Internal server error", status=200)),
    "redirect": redirect,
    **{f"http_{status}": refuse(partial(html_response, status)) for status in PROXY_STATUSES},
}

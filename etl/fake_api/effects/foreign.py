"""Pages of other servers in KooDrive's place, with any status, as a proxy, a login page or a gateway sends."""

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from etl.fake_api.effects.effect import Effect, StruckRequest
from etl.fake_api.responses import html_response, json_response

STATUSES = (HTTPStatus.OK.value, *range(300, 600))
"""Every status of a final response, apart from the successes that nothing on the way sends."""

FORMS = ("html", "json")


def foreign_page(name: str, *, redirect_to: str) -> web.Response:
    """Make a page by its name, such as ``html_404`` or ``json_302``; a redirect names its target."""
    form, _, digits = name.partition("_")
    status = int(digits)
    if form == "json":
        response = json_response({"ok": status == HTTPStatus.OK, "status": status, "error": "Gateway"}, status=status)
    else:
        response = html_response(status)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        response.headers["Location"] = redirect_to
    return response


def _effect(name: str) -> Effect:
    async def effect(struck: StruckRequest) -> web.StreamResponse:
        return foreign_page(name, redirect_to=struck.redirect_to)

    return effect


FOREIGN_PAGES: Mapping[str, Effect] = {
    name: _effect(name) for form in FORMS for status in STATUSES if (name := f"{form}_{status}")
}
"""The pages by their names. They are too many to list one by one with the other faults."""

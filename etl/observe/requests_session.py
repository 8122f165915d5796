"""The HTTP session of the libraries of OpenTelemetry and OpenLineage: by the job's proxy, and without redirects."""

from http import HTTPStatus
from io import BytesIO
from typing import Any

import requests

from etl.settings.proxy import choose_proxy

MAX_ANSWER_BYTES = 1 << 16
"""The bytes of an answer that are read, at most; the libraries need the status, and log the rest."""


class ProxiedSession(requests.Session):
    """A session that ignores what the library would read from the proxy variables, and follows no redirect."""

    def send(self, request: Any, **named: Any) -> requests.Response:
        """Send one request, and read the beginning of its answer, which a server may send without end.

        Raises:
            requests.HTTPError: the server redirects the request. Its report would go to another server, or nowhere.
        """
        response = super().send(request, **{**named, "allow_redirects": False, "stream": True})
        # A compressed answer may be of any length.
        beginning = response.raw.read(MAX_ANSWER_BYTES, decode_content=False)
        response.raw.close()
        response.raw = BytesIO(beginning)
        if HTTPStatus.MULTIPLE_CHOICES <= response.status_code < HTTPStatus.BAD_REQUEST:
            raise requests.HTTPError(f"HTTP {response.status_code}, a redirect, was refused", response=response)
        return response

    def merge_environment_settings(self, url: Any, *arguments: Any, **named: Any) -> Any:
        """Return the settings of one request, such as REQUESTS_CA_BUNDLE, with the proxy that the job chooses.

        Raises:
            ConfigurationError: the variable does not name an HTTP proxy.
        """
        settings = super().merge_environment_settings(url, *arguments, **named)
        proxy = choose_proxy(str(url))
        # Without an entry for the scheme, the request goes to the server itself.
        return {**settings, "proxies": {"all": proxy.url.get_secret_value()} if proxy else {}}

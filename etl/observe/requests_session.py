"""The HTTP session of the libraries of OpenTelemetry and OpenLineage, which uses the proxy that the job chooses."""

from typing import Any

import requests

from etl.settings.proxy import choose_proxy


class ProxiedSession(requests.Session):
    """A session that ignores what the library would read from the proxy variables."""

    def merge_environment_settings(self, url: Any, *arguments: Any, **named: Any) -> Any:
        """Return the settings of one request, such as REQUESTS_CA_BUNDLE, with the proxy that the job chooses.

        Raises:
            ConfigurationError: the variable does not name an HTTP proxy.
        """
        settings = super().merge_environment_settings(url, *arguments, **named)
        proxy = choose_proxy(str(url))
        # Without an entry for the scheme, the request goes to the server itself.
        return {**settings, "proxies": {"all": proxy.url.get_secret_value()} if proxy else {}}

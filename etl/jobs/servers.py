"""The servers that a job talks to by HTTP, the proxy on the way to each, and whether the way is private."""

import os
from collections.abc import Iterator

from yarl import URL

from etl.archive.bucket import bucket_address
from etl.error_codes import Code
from etl.errors import ConfigurationError
from etl.observe.webhook import webhook_address
from etl.settings.checks import is_loopback
from etl.settings.load import Settings
from etl.settings.proxy import Proxy, choose_proxy

API = "api.base_url"

OTLP_HEADERS = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_METRICS_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")

CREDENTIALS = {"telemetry.otlp_endpoint": OTLP_HEADERS, "telemetry.openlineage_url": ("OPENLINEAGE_API_KEY",)}
"""The variables with the credentials for a server, by the setting that names the server."""


def servers_of(settings: Settings) -> Iterator[tuple[str, str]]:
    """List the servers that are configured: the setting that names one, and its address, which may be a secret.

    Raises:
        ConfigurationError: the file with the address of the webhook cannot be used.
    """
    telemetry = settings.telemetry
    webhook = webhook_address(settings.notify)
    addresses = {
        API: settings.api.base_url,
        "archive.location": bucket_address(settings.archive),
        "export.s3_endpoint": settings.export.s3_endpoint,
        "telemetry.pushgateway_url": telemetry.pushgateway_url,
        "telemetry.otlp_endpoint": telemetry.otlp_endpoint,
        "telemetry.openlineage_url": telemetry.openlineage_url,
        "notify.webhook_url": webhook.get_secret_value() if webhook else None,
    }
    yield from ((setting, address) for setting, address in addresses.items() if address)


def require_private_way(setting: str, address: str) -> None:
    """Check that no credential crosses the network in clear text.

    Raises:
        ConfigurationError: the address is http on another machine, and a variable holds credentials for it.
    """
    url = URL(address)
    variable = next((name for name in CREDENTIALS.get(setting, ()) if os.environ.get(name)), None)
    if variable and url.scheme == "http" and not is_loopback(url):
        raise ConfigurationError(
            f"{setting} must be https: {variable} would cross the network in clear text.",
            code=Code.SETTING_WRONG,
            remedy=f"Give the server a certificate and write https, or unset {variable}.",
        )


def proxy_to(setting: str, address: str, settings: Settings) -> Proxy | None:
    """Choose the proxy on the way to one of the servers; None if the job connects directly.

    Raises:
        ConfigurationError: a variable does not name an HTTP proxy.
    """
    return choose_proxy(address, settings.api.proxy if setting == API else None)

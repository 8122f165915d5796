"""The servers that a job talks to by HTTP, and the proxy on the way to each."""

from collections.abc import Iterator

from etl.archive.store import bucket_address
from etl.observe.webhook import webhook_address
from etl.settings.load import Settings
from etl.settings.proxy import Proxy, choose_proxy

API = "api.base_url"


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
        "telemetry.pushgateway_url": telemetry.pushgateway_url,
        "telemetry.otlp_endpoint": telemetry.otlp_endpoint,
        "telemetry.openlineage_url": telemetry.openlineage_url,
        "notify.webhook_url": webhook.get_secret_value() if webhook else None,
    }
    yield from ((setting, address) for setting, address in addresses.items() if address)


def proxy_to(setting: str, address: str, settings: Settings) -> Proxy | None:
    """Choose the proxy on the way to one of the servers; None if the job connects directly.

    Raises:
        ConfigurationError: a variable does not name an HTTP proxy.
    """
    return choose_proxy(address, settings.api.proxy if setting == API else None)

"""Checks the ways to other servers: the proxy on the way to each, and the bucket of the archive."""

from collections.abc import Iterator

from etl.archive.bucket import bucket_address
from etl.archive.store import Store
from etl.errors import ConfigurationError
from etl.jobs.doctor.finding import Finding, failed, warning
from etl.jobs.servers import proxy_to, require_private_way, servers_of
from etl.settings.load import Configuration


def examine_proxies(configuration: Configuration) -> Iterator[Finding]:
    """Name the proxy on the way to each server, and find credentials that would be sent in clear text.

    No finding contains the address of the webhook, which is a secret.
    """
    for setting, address in servers_of(configuration.settings):
        try:
            require_private_way(setting, address)
            proxy = proxy_to(setting, address, configuration.settings)
        except ConfigurationError as error:
            yield failed("proxy", error)
        else:
            way = f"through the proxy {proxy}, which {proxy.origin} names" if proxy else "directly"
            yield Finding(subject="proxy", said=f"{setting} is reached {way}.")


def examine_archive(configuration: Configuration) -> Iterator[Finding]:
    """List a part of the archive's bucket; a folder is checked with the disks.

    Raises:
        UnavailableError: the bucket does not answer, or refuses the key.
    """
    settings = configuration.settings.archive
    if bucket_address(settings) is None:
        return
    if Store(settings).may_be_listed():
        message = f"{settings.location} answers, and the key may list it. Only a run shows whether it may write."
        yield Finding(subject="archive", said=message)
    else:
        yield warning(
            "archive",
            f"The key may not list {settings.location}, which `task-audit replay` needs; a run only writes.",
            remedy="Allow s3:ListBucket and s3:GetObject, or replay with another key.",
        )

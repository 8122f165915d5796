"""Checks whether the connections to databases on other machines verify the server by TLS.

Without that, a server in its place could read the password and the rows. KooDrive and all servers that receive a secret
need no check, since the settings demand https.
"""

import os
from collections.abc import Iterator

import yarl
from sqlalchemy import URL

from etl.database.engines import engine_of
from etl.database.engines.base import TlsArgument
from etl.database.url import parse_database_url
from etl.jobs.doctor.finding import Finding, warning
from etl.settings.checks import is_loopback
from etl.settings.load import Configuration

PAGE = "docs/how-to/company-network.md"


def examine_tls(configuration: Configuration) -> Iterator[Finding]:
    """Check the URLs of both databases; a file or a database on this machine needs no TLS."""
    settings = configuration.settings
    for setting, secret in (("source.url", settings.source.url), ("warehouse.url", settings.warehouse.url)):
        url = parse_database_url(secret)
        arguments = engine_of(url).tls_arguments
        hosts = [host for host in _hosts(url) if arguments and not _is_this_machine(host)]
        if not hosts:
            continue
        if any(_verifies(url, argument) for argument in arguments):
            yield Finding(subject="TLS", said=f"{setting} verifies the certificate of {', '.join(hosts)}.")
        else:
            message = f"{setting} does not verify the certificate of {', '.join(hosts)}, so that another server could "
            message += "answer in its place and read the password and the rows."
            yield warning("TLS", message, remedy=f"Add {arguments[0].example} to the URL; see {PAGE}.")


def _hosts(url: URL) -> list[str]:
    """Return the hosts of a URL, which lists several in its query."""
    in_query = url.query.get("host", ())
    listed = in_query.split(",") if isinstance(in_query, str) else list(in_query)
    return listed or [url.host or os.environ.get("PGHOST", "")]


def _is_this_machine(host: str) -> bool:
    """Return whether a host is this machine; PostgreSQL reaches a folder or an empty name through a Unix socket."""
    return not host or host.startswith(("/", "@")) or is_loopback(yarl.URL.build(scheme="tcp", host=host))


def _verifies(url: URL, argument: TlsArgument) -> bool:
    value = url.query.get(argument.name) or os.environ.get(argument.variable or "", "")
    return bool(value) and (not argument.values or value in argument.values)

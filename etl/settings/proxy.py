"""Chooses the HTTP proxy on the way to a server, by one rule for every server that the job talks to.

Libraries disagree about the variables: some read no networks in NO_PROXY, some none of them at all. So the job decides,
and tells each library. A proxy's user and password are secrets: no text of this module contains them.
"""

import ipaddress
import os
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from pydantic import SecretStr
from yarl import URL

from etl.error_codes import Code
from etl.errors import ConfigurationError
from etl.settings.checks import is_loopback, parse_proxy_url

HOST_AND_PORT = re.compile(r"(\[[^]]*\]|[^:]*)(?::(\d+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """An HTTP proxy."""

    address: str
    """Scheme, host and port."""
    origin: str
    """The setting or the variable that names the proxy."""
    user: str | None = field(default=None, repr=False)
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return self.address

    @property
    def headers(self) -> dict[str, str]:
        """The headers that the proxy demands of a request to itself."""
        if self.user is None:
            return {}
        account = b64encode(f"{self.user}:{self.password}".encode()).decode("ascii")
        return {"Proxy-Authorization": f"Basic {account}"}

    @property
    def url(self) -> SecretStr:
        """The address with the credentials, for libraries that take nothing else."""
        if self.user is None:
            return SecretStr(self.address)
        scheme, _, place = self.address.partition("://")
        return SecretStr(f"{scheme}://{quote(self.user, safe='')}:{quote(self.password, safe='')}@{place}")


def choose_proxy(
    address: str, configured: SecretStr | None = None, *, variables: Mapping[str, str] = os.environ
) -> Proxy | None:
    """Choose the proxy on the way to a server; None if the job connects directly.

    This machine is always reached directly. For any other server, a configured proxy precedes the variables, which are
    HTTPS_PROXY or HTTP_PROXY, by the scheme of the server. NO_PROXY makes exceptions to the variables only.

    Args:
        address: the URL of the server.
        configured: the value of ``api.proxy``, if it applies to this server.
        variables: the environment variables. Their names in lower case come first, as in curl.

    Raises:
        ConfigurationError: the variable does not name an HTTP proxy.
    """
    server = URL(address)
    if is_loopback(server):
        return None
    if configured is not None:
        return _proxy(configured.get_secret_value(), "api.proxy")
    name = f"{server.scheme}_proxy"
    variable = name if variables.get(name) else name.upper()
    if not (value := variables.get(variable, "").strip()):
        return None
    exceptions = variables.get("no_proxy") or variables.get("NO_PROXY", "")
    if any(_covers(entry, server) for entry in re.split(r"[,\s]+", exceptions) if entry):
        return None
    return _proxy(value, variable)


def _proxy(value: str, origin: str) -> Proxy:
    try:
        url = parse_proxy_url(value)
    except ValueError as error:
        raise ConfigurationError(
            f"{origin} {error}.",
            code=Code.SETTING_WRONG,
            remedy="Write the proxy as http://host:port or http://user:password@host:port.",
        ) from None
    address = f"{url.scheme}://{url.host_subcomponent}:{url.port}"
    return Proxy(address=address, origin=origin, user=url.user, password=url.password or "")


def _covers(entry: str, server: URL) -> bool:
    """Return whether an entry of NO_PROXY covers a server: by name, suffix, address or network, and by port."""
    if entry == "*":
        return True
    if network := _network(entry):
        return _is_in(server, network)
    found = HOST_AND_PORT.fullmatch(entry)
    if found is None or (found[2] and int(found[2]) != server.port):
        return False
    if network := _network(found[1]):
        return _is_in(server, network)
    name, host = found[1].lower().removeprefix("*").strip("."), (server.host or "").lower().rstrip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Read a network or a single address; None for any other text."""
    try:
        return ipaddress.ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return None


def _is_in(server: URL, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    # A name is not resolved: only the proxy may know it.
    own = _network(server.host or "")
    return own is not None and own.network_address in network

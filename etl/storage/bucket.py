"""The way to a bucket of an S3-compatible store: its address, its keys, the proxy, and the words of its errors.

polars and obstore are built on one library of object stores, so that both take the same options.
"""

import os
import re
from dataclasses import dataclass, fields
from pathlib import Path

from pydantic import SecretStr
from yarl import URL

from etl.settings.checks import is_loopback
from etl.settings.export import ExportSettings
from etl.settings.model import ArchiveSettings
from etl.settings.proxy import Proxy, choose_proxy
from etl.settings.secret_files import load_secret

BUCKET = "s3://"

METADATA_SERVERS = "169.254.0.0/16,fd00:ec2::/32"
"""Servers inside the machine's own network that hand out the credentials of its role; no proxy reaches them."""

NO_PROXY = {"proxy_url": "http://127.0.0.1:9", "proxy_excludes": "*,0.0.0.0/0,::/0"}
"""Keeps the library from reading the variables itself: a proxy that is used for no address."""

S3_ERROR = re.compile(r"<Code>([^<]+)</Code>\s*<Message>([^<]*)")
CAUSE = re.compile(r"^ +\d+: (.+)$", re.MULTILINE)
"""The library lists the causes of an error below it, the first one last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketSettings:
    """What the settings of a section say about a store."""

    section: str
    s3_endpoint: str | None
    s3_region: str | None
    s3_access_key_id: str | None
    s3_secret_access_key: SecretStr | None
    s3_secret_access_key_file: Path | None

    @classmethod
    def of(cls, section: str, settings: ArchiveSettings | ExportSettings) -> "BucketSettings":
        """Take the settings of a section."""
        names = (field.name for field in fields(cls) if field.name != "section")
        return cls(section=section, **{name: getattr(settings, name) for name in names})

    @property
    def address(self) -> str:
        """The address of the store."""
        given = self.s3_endpoint or os.environ.get("AWS_ENDPOINT_URL")
        return given or f"https://s3.{self.s3_region or os.environ.get('AWS_REGION', 'us-east-1')}.amazonaws.com"

    @property
    def proxy(self) -> Proxy | None:
        """The proxy on the way to the store.

        Raises:
            ConfigurationError: a variable does not name an HTTP proxy.
        """
        return choose_proxy(self.address)

    def options(self) -> dict[str, str]:
        """Return the bucket's address and keys and the proxy for the library, which finds other keys by itself.

        Raises:
            ConfigurationError: the file of the secret cannot be read, or a variable does not name an HTTP proxy.
        """
        secret = load_secret(
            self.s3_secret_access_key,
            self.s3_secret_access_key_file,
            setting=f"{self.section}.s3_secret_access_key",
        )
        options = {
            "aws_endpoint_url": self.s3_endpoint,
            "aws_region": self.s3_region,
            "aws_access_key_id": self.s3_access_key_id,
            "aws_secret_access_key": secret.get_secret_value() if secret else None,
            "aws_allow_http": "true" if self._is_local else None,
        }
        return {name: value for name, value in options.items() if value} | self.proxy_options()

    @property
    def _is_local(self) -> bool:
        """Whether the store is on this machine, and may be reached by http."""
        return is_loopback(URL(self.address)) and self.address.startswith("http:")

    def proxy_options(self) -> dict[str, str]:
        """Return what tells the library about the proxy."""
        proxy = self.proxy
        if proxy is None:
            return NO_PROXY
        return {"proxy_url": proxy.url.get_secret_value(), "proxy_excludes": METADATA_SERVERS}


def reason_of(error: BaseException) -> str:
    """Return the store's own words, or else the first line of an error with its first cause."""
    if found := S3_ERROR.search(str(error)):
        return f"{found[1]}: {found[2]}".rstrip(". ")
    return ": ".join([first_line(error), *CAUSE.findall(str(error))[-1:]])


def first_line(error: BaseException) -> str:
    """Return the first line of an error, without a full stop."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (text.strip().splitlines() or [type(error).__name__])[0].rstrip(".")

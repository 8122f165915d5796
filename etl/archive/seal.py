"""The seal of a file: a checksum of its rows and, with a key, an HMAC. Both are in the metadata of the Parquet file.

The checksum finds damage. A person who may write to the archive can make a new checksum, but no HMAC without the key.
Neither finds that a whole file is missing.
"""

import hmac
from collections.abc import Mapping
from hashlib import sha256

import msgspec
import polars as pl
from pydantic import SecretStr

CHECKSUM = "task-audit.sha256"

AUTHENTICATION = "task-audit.hmac-sha256"


class BrokenSealError(Exception):
    """The rows of a file are not those that were sealed; the text continues the name of the file."""


class Seal:
    """Seals the files of one archive."""

    def __init__(self, key: SecretStr | None) -> None:
        """Take the key of the HMAC; without a key, files have a checksum only."""
        self._key = key.get_secret_value().encode() if key else None

    def make(self, name: str, rows: pl.DataFrame) -> dict[str, str]:
        """Return the metadata that seal a file of this name."""
        checksum = _checksum(rows)
        return {CHECKSUM: checksum, **({AUTHENTICATION: _hmac(self._key, name, checksum)} if self._key else {})}

    def check(self, name: str, rows: pl.DataFrame, metadata: Mapping[str, str]) -> bool:
        """Compare the rows of a file with its seal; returns whether the file has a checksum.

        Files of older versions have none. With a key they are refused, since the seal of any file could be removed.

        Raises:
            BrokenSealError: the checksum or the HMAC is not that of the rows, or the HMAC is missing.
        """
        checksum = _checksum(rows)
        if metadata.get(CHECKSUM, checksum) != checksum:
            raise BrokenSealError("does not have the content that its checksum was made of")
        if self._key and not hmac.compare_digest(metadata.get(AUTHENTICATION, ""), _hmac(self._key, name, checksum)):
            raise BrokenSealError("was not written under this name with archive.hmac_key")
        return CHECKSUM in metadata


def _hmac(key: bytes, name: str, checksum: str) -> str:
    # The name is covered as well, so that no file can take the place of another.
    return hmac.new(key, f"{name}\n{checksum}".encode(), sha256).hexdigest()


def _checksum(rows: pl.DataFrame) -> str:
    """Return the SHA-256 of the names and rows as MessagePack, which no version of Parquet or polars changes.

    The rows are encoded one by one, since all answers of a batch together may need much memory.
    """
    encode = msgspec.msgpack.Encoder().encode
    checksum = sha256(encode(rows.columns))
    for row in rows.iter_rows():
        checksum.update(encode(row))
    return checksum.hexdigest()

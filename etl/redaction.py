"""Masks secrets in text.

The code that reads a secret registers it here. Log lines, errors and quotations from other programs are masked before
they are written. A secret may appear in base64, percent-encoded, in hexadecimal or inside JSON.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

MASK = "********"

MIN_SECRET_CHARACTERS = 6
"""Shorter secrets are not masked: they would match ordinary words."""

SIGNATURE = re.compile(r"(?<=Signature=)[0-9a-f]+")
"""A signature is made from an AppSecret, and the API accepts it for a quarter of an hour."""

BITS_OF_A_BYTE, BITS_OF_A_DIGIT = 8, 6


class Secrets:
    """A set of secrets, which it masks in text."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self.forms: tuple[str, ...] = ()
        """The forms of the secrets, longer ones first, since one may be part of another."""
        self._pattern = SIGNATURE

    def remember(self, *secrets: str) -> None:
        """Mask these secrets, too, from now on."""
        fresh = {secret for secret in secrets if len(secret) >= MIN_SECRET_CHARACTERS} - self._known
        if fresh:
            self._known |= fresh
            every = {form for secret in self._known for form in forms_of(secret)}
            self.forms = tuple(sorted(every, key=lambda form: (-len(form), form)))
            self._pattern = re.compile("|".join((*map(re.escape, self.forms), SIGNATURE.pattern)))

    def redact(self, text: str) -> str:
        """Replace each secret with a mask."""
        return self._pattern.sub(MASK, text)

    def redact_all(self, value: object) -> object:
        """Replace each secret in a JSON value with a mask, in names of fields, too."""
        match value:
            case str():
                return self.redact(value)
            case dict():
                return {self.redact(name): self.redact_all(each) for name, each in value.items()}
            case list():
                return [self.redact_all(each) for each in value]
            case _:
                return value


def forms_of(secret: str) -> Iterator[str]:
    """Yield the forms in which a secret may appear."""
    yield secret
    for ascii_only in (True, False):
        in_json = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        yield from (in_json, in_json.replace("/", r"\/"))
    octets = secret.encode(errors="surrogateescape")
    for encoded in (quote(octets), quote(octets, safe=""), quote_plus(octets)):
        yield from (encoded, re.sub("%..", lambda escape: escape[0].lower(), encoded))
    yield from (octets.hex(), octets.hex().upper())
    for octets_before in range(3):
        in_base64 = _inside_base64(octets, octets_before)
        yield from (in_base64, in_base64.replace("+", "-").replace("/", "_"))


def _inside_base64(octets: bytes, octets_before: int) -> str:
    """Encode a part of a longer text in base64, without the digits that depend on the text around it."""
    begin = -(-octets_before * BITS_OF_A_BYTE // BITS_OF_A_DIGIT)
    end = (octets_before + len(octets)) * BITS_OF_A_BYTE // BITS_OF_A_DIGIT
    return b64encode(bytes(octets_before) + octets).decode()[begin:end]


PROCESS_SECRETS = Secrets()
"""The secrets that this process has read."""


def remember(*secrets: str) -> None:
    """Mask these secrets in everything that this process writes from now on."""
    PROCESS_SECRETS.remember(*secrets)


def redact(text: str) -> str:
    """Mask the secrets of this process in a text."""
    return PROCESS_SECRETS.redact(text)

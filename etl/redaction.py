"""Keeps secrets out of what is written.

Whoever reads a secret has it remembered here; lines of a log, errors, and what is quoted from others go through here. A
secret may come back in another form than it was given: in base64, percent-encoded, in hexadecimal, inside JSON.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

MASK = "********"

MIN_SECRET_CHARACTERS = 6
"""Of a secret: a shorter one is none, and to mask it would garble every other word."""

SIGNATURE = re.compile(r"(?<=Signature=)[0-9a-f]+")
"""Made of an AppSecret, and good for a quarter of an hour to whoever reads it."""

BITS_OF_A_BYTE, BITS_OF_A_DIGIT = 8, 6


class Secrets:
    """Some secrets, and how to take them out of a text."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self.forms: tuple[str, ...] = ()
        """In which they may appear, longer ones first, since one may be part of another."""
        self._pattern = SIGNATURE

    def remember(self, *secrets: str) -> None:
        """Take these out of texts, too, from now on."""
        fresh = {secret for secret in secrets if len(secret) >= MIN_SECRET_CHARACTERS} - self._known
        if fresh:
            self._known |= fresh
            every = {form for secret in self._known for form in forms_of(secret)}
            self.forms = tuple(sorted(every, key=lambda form: (-len(form), form)))
            self._pattern = re.compile("|".join((*map(re.escape, self.forms), SIGNATURE.pattern)))

    def redact(self, text: str) -> str:
        """Put a mask in the place of each secret."""
        return self._pattern.sub(MASK, text)

    def redact_all(self, value: object) -> object:
        """Put a mask in the place of each secret in a JSON value, names of fields included."""
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
    """List the forms in which a secret may appear."""
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
    """Encode in base64 as a part of something longer: without the digits that depend on what stands around it."""
    begin = -(-octets_before * BITS_OF_A_BYTE // BITS_OF_A_DIGIT)
    end = (octets_before + len(octets)) * BITS_OF_A_BYTE // BITS_OF_A_DIGIT
    return b64encode(bytes(octets_before) + octets).decode()[begin:end]


PROCESS_SECRETS = Secrets()
"""All that this process has read."""


def remember(*secrets: str) -> None:
    """Keep these out of whatever this process writes from now on."""
    PROCESS_SECRETS.remember(*secrets)


def redact(text: str) -> str:
    """Take the secrets of this process out of a text."""
    return PROCESS_SECRETS.redact(text)

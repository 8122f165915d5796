"""The forms in which a secret may appear in text: as it is, escaped or encoded. Pure."""

import html
import json
import re
import shlex
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

RUN_CHARACTERS = 12
"""So many characters of a secret in a row are worth masking; fewer would match ordinary words."""

BITS_OF_A_BYTE, BITS_OF_A_DIGIT = 8, 6

QUOTES_IN_HTML = (("&quot;", "&#x27;"), ("&#34;", "&#39;"), ("&quot;", "&#39;"), ("&quot;", "&#039;"))
"""How Python, Go and PHP write the two quotation marks in HTML."""

ESCAPED_IN_SCRIPTS = (r"[<>&]", r"[<>&'\"+`]")
r"""What Go, and what .NET writes as ``\u003c`` in JSON."""

SPECIAL = re.compile(r"[^A-Za-z0-9]")

SPECIAL_IN_QUOTED_SHELL = re.compile(r'[$`"\\]')


@dataclass(frozen=True, slots=True)
class Form:
    """One form of a secret."""

    text: str
    run: int = RUN_CHARACTERS
    """The length of the shortest part to mask: the length that ``RUN_CHARACTERS`` of the secret have in this form."""


def forms_of(secret: str) -> Iterator[Form]:
    """Yield the forms in which a secret may appear."""
    yield from map(Form, _escaped(secret))
    octets = secret.encode(errors="surrogateescape")
    yield from map(Form, _percent_encoded(octets))
    for digits in (octets.hex(), octets.hex().upper()):
        yield Form(digits, 2 * RUN_CHARACTERS)
    for octets_before in range(3):
        in_base64 = _inside_base64(octets, octets_before)
        for digits in (in_base64, in_base64.replace("+", "-").replace("/", "_")):
            yield Form(digits, min(len(digits), RUN_CHARACTERS * BITS_OF_A_BYTE // BITS_OF_A_DIGIT))
    for one in ("&#{:d};", "&#x{:x};", r"\u{:04x}"):
        references = "".join(one.format(ord(each)) for each in secret)
        yield Form(references, min(len(references), RUN_CHARACTERS * len(one.format(ord("A")))))


def _escaped(secret: str) -> Iterator[str]:
    yield secret
    yield from _in_json(secret)
    yield from _in_html(secret)
    for octets in (repr(secret)[1:-1], repr(secret.encode(errors="surrogateescape"))[2:-1]):
        yield from (octets, octets.replace(r"\'", "'"), octets.replace(r"\'", "'").replace("'", r"\'"))
    # SQL doubles a quotation mark. MySQL and libpq write a backslash before it, as repr does.
    yield from (secret.replace("'", "''"), secret.replace('"', '""'))
    yield from (shlex.quote(secret).removeprefix("'").removesuffix("'"), secret.replace("'", r"'\''"))
    yield from (SPECIAL.sub(r"\\\g<0>", secret), SPECIAL_IN_QUOTED_SHELL.sub(r"\\\g<0>", secret))


def _in_json(secret: str) -> Iterator[str]:
    for ascii_only in (True, False):
        in_json = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        yield from (in_json, in_json.replace("/", r"\/"))
        for pattern in ESCAPED_IN_SCRIPTS:
            # A quotation mark has a backslash by now, which its code replaces.
            yield re.sub(r"\\?" + pattern, lambda found: rf"\u{ord(found[0][-1]):04x}", in_json)


def _in_html(secret: str) -> Iterator[str]:
    without_quotes = html.escape(secret, quote=False)
    yield without_quotes
    for double, single in QUOTES_IN_HTML:
        escaped = without_quotes.replace('"', double).replace("'", single)
        yield from (escaped, escaped.replace("/", "&#x2F;"))
    for one in ("&#{:d};", "&#x{:x};"):
        yield SPECIAL.sub(lambda found, one=one: one.format(ord(found[0])), secret)  # type: ignore[misc]


def _percent_encoded(octets: bytes) -> Iterator[str]:
    for encoded in (quote(octets), quote(octets, safe=""), quote_plus(octets), quote(quote(octets, safe=""))):
        yield from (encoded, re.sub("%..", lambda escape: escape[0].lower(), encoded))


def _inside_base64(octets: bytes, octets_before: int) -> str:
    """Encode a part of a longer text in base64, without the digits that depend on the text around it."""
    begin = -(-octets_before * BITS_OF_A_BYTE // BITS_OF_A_DIGIT)
    end = (octets_before + len(octets)) * BITS_OF_A_BYTE // BITS_OF_A_DIGIT
    return b64encode(bytes(octets_before) + octets).decode()[begin:end]

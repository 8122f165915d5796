"""A known secret, and the search for it in all outputs and in every form."""

import html
import json
import re
import shlex
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

FORMS = {
    "raw": str,
    "base64": lambda text: b64encode(text.encode()).decode(),
    "base64 for URLs": lambda text: urlsafe_b64encode(text.encode()).decode(),
    "percent-encoded": lambda text: quote(text, safe=""),
    "percent-encoded path": quote,
    "percent-encoded form": quote_plus,
    "percent-encoded in small letters": lambda text: re.sub(
        "%..", lambda escape: escape[0].lower(), quote(text, safe="")
    ),
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal in capitals": lambda text: text.encode().hex().upper(),
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON with escaped slashes": lambda text: json.dumps(text)[1:-1].replace("/", r"\/"),
    "JSON of Go": lambda text: json.dumps(text)[1:-1].replace("<", r"\u003c"),
    "JSON of codes": lambda text: "".join(f"\\u{ord(each):04x}" for each in text),
    "percent-encoded twice": lambda text: quote(quote(text, safe=""), safe=""),
    "in part": lambda text: text[1:-1],
    "in capitals": str.upper,
    "HTML": html.escape,
    "HTML of Go": lambda text: html.escape(text).replace("&#x27;", "&#39;"),
    "HTML of codes": lambda text: "".join(f"&#{ord(each)};" for each in text),
    # With both quotation marks in the text, Python escapes one of them.
    "repr": lambda text: repr(text + '"')[1:-2],
    "SQL": lambda text: text.replace("'", "''"),
    "shell": lambda text: shlex.quote(text).removeprefix("'").removesuffix("'"),
}
"""The encodings in which a text may be written."""

CORE = "CANARY/a+b?<8f1c"
"""What all secrets of a test have in common; with signs that each way of writing treats in its own way."""


def secret(kind):
    return f"{CORE}-{kind}"


def _needles():
    """Return every form of the core, also as a part of a longer text."""
    yield from ((form, write(CORE)) for form, write in FORMS.items() if "base64" not in form)
    for before in range(3):
        for form in ("base64", "base64 for URLs"):
            # Digits at both ends depend on neighbours; what is between them does not.
            yield form, FORMS[form]("x" * before + CORE)[before + 1 : -4]


NEEDLES = [(form, needle.encode()) for form, needle in _needles()]


def sightings(places):
    """Return where a secret was seen, and in which form.

    Args:
        places: what was written, by where.
    """
    return [
        f"{place}: {form} in ...{content[max(0, content.find(needle) - 80) :][:200]!r}"
        for place, content in ((place, as_bytes(content)) for place, content in places.items())
        for form, needle in NEEDLES
        if needle in content
    ]


def as_bytes(content):
    return content if isinstance(content, bytes) else content.encode(errors="surrogateescape")

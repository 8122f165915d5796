"""KooDrive's app authentication: makes the ``Authorization`` header of a request.

Pure: no I/O and no clock. The caller names the headers to sign, and passes the path percent-encoded as it is sent and
the query decoded, so that there is one encoding of it. The rule is that of Huawei's gateway without the date line in
the string to sign; the signature protects the date because ``X-Date`` must be signed.
"""

import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote

import msgspec

ALGORITHM = "HMAC-SHA256"

REQUIRED_HEADERS = frozenset({"x-date", "x-user-id"})
"""Headers that every signature must cover; clients usually sign ``host`` as well."""

EMPTY_BODY_SHA256 = sha256(b"").hexdigest()


class RequestToSign(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a request that its signature covers."""

    method: str = "GET"
    raw_path: str
    """The path as it is sent, percent-encoded."""
    query: Sequence[tuple[str, str]] = ()
    """Decoded names and values."""
    headers: Mapping[str, str]
    """The headers to sign, which need not be all headers of the request."""
    body: bytes = b""


def format_x_date(moment: datetime) -> str:
    """Format an aware time for ``X-Date``: UTC in whole seconds, ``20240909T033325Z``."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def canonical_uri(raw_path: str) -> str:
    """Resolve dot segments and double slashes, and append a slash, which the sent path may lack."""
    if "//" in raw_path or "/." in raw_path:
        raw_path = _without_dot_segments(raw_path)
    return raw_path if raw_path.endswith("/") else raw_path + "/"


def _without_dot_segments(raw_path: str) -> str:
    kept: list[str] = []
    for segment in raw_path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in {"", "."}:
            kept.append(segment)
    return "/" + "/".join(kept)


def canonical_query(query: Sequence[tuple[str, str]]) -> str:
    """Encode decoded names and values, sorted by name and then by value; an empty value keeps its ``=``."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(query))


def canonical_request(request: RequestToSign) -> str:
    """Write a request in its canonical form, which both sides sign."""
    signed = _sorted_lower_case(request.headers)
    return "\n".join(
        (
            request.method.upper(),
            canonical_uri(request.raw_path),
            canonical_query(request.query) if request.query else "",
            # Each header ends its own line, which leaves the empty line that the rule demands before the names.
            "".join(f"{name}:{value}\n" for name, value in signed),
            ";".join(name for name, _ in signed),
            sha256(request.body).hexdigest() if request.body else EMPTY_BODY_SHA256,
        )
    )


def _sorted_lower_case(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted((name.lower(), value.strip()) for name, value in headers.items())


def string_to_sign(canonical: str) -> str:
    """Join the algorithm and the hash of the canonical request; KooDrive has no date line here."""
    return f"{ALGORITHM}\n{sha256(canonical.encode()).hexdigest()}"


def signature(canonical: str, *, app_secret: str) -> str:
    """Sign a canonical request with the secret itself; no key is derived from it."""
    return hmac.digest(app_secret.encode(), string_to_sign(canonical).encode(), "sha256").hex()


def sign(request: RequestToSign, *, app_id: str, app_secret: str) -> str:
    """Return the ``Authorization`` header for a request that is sent with exactly these headers.

    Raises:
        ValueError: a header that every signature must cover is missing.
    """
    canonical = canonical_request(request)
    signed = canonical.rsplit("\n", 2)[1]
    if missing := REQUIRED_HEADERS.difference(signed.split(";")):
        raise ValueError(f"A signature must cover {', '.join(sorted(missing))}.")
    return f"{ALGORITHM} AppId={app_id},SignedHeaders={signed},Signature={signature(canonical, app_secret=app_secret)}"

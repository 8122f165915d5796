"""The response to one request: a value, read to its end."""

from collections.abc import Mapping
from datetime import datetime

import msgspec


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP response, read to its end."""

    status: int
    content_type: str
    headers: Mapping[str, str]
    body: bytes
    trace_id: str
    sent_at: datetime
    """When the request was sent: the content may be as old as that, however late it is read."""

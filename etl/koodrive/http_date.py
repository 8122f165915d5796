"""Reads the dates of HTTP headers (RFC 9110, 5.6.7). Pure."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_DATE_CHARACTERS = 64
"""The longest form of an HTTP date has 33 characters; reading a longer text could take long."""

CLOCK_TIME = re.compile(r" [0-9]{2}:[0-9]{2}:[0-9]{2}")


def http_date(text: str | None) -> datetime | None:
    """Read an HTTP date in any of its three forms; None if there is no date or it makes no sense."""
    # The library also accepts what is not an HTTP date, such as a date without seconds.
    if text is None or len(text) > MAX_DATE_CHARACTERS or not CLOCK_TIME.search(text):
        return None
    try:
        date = parsedate_to_datetime(text)
        return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, LookupError, OverflowError):
        return None

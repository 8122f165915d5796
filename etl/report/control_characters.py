"""Makes text from outside safe for a terminal."""


def escape_control(text: str) -> str:
    """Escape the characters that a terminal would obey or hide."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)

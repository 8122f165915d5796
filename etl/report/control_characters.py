"""Words from outside, made fit for a terminal."""


def escape_control(text: str) -> str:
    """Write out what a terminal would take for a command, or hide."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)

"""Reads the error that ends a command, as it is printed without JSON and without a terminal."""

import re

FORM = re.compile(
    r"Error \[(?P<code>[a-z-]+)\]: (?P<message>.+)\nRemedy: (?P<remedy>.+)\nHelp: task-audit explain (?P=code)\n"
    r"(?:It says: .+\n)?(?P<causes>(?:Cause: .+\n)*)\Z"
)


def reported_error(result):
    """Return the sentence and the remedy of the error that ended a command."""
    found = FORM.search(result.stderr)
    assert found, result.stderr
    assert "Traceback" not in result.stderr
    return f"{found['message']} {found['remedy']}"

"""How an error is told that ends a command, where no JSON is wanted and nobody sits at a terminal."""

import re

FORM = re.compile(
    r"Error \[(?P<code>[a-z-]+)\]: (?P<message>.+)\nRemedy: (?P<remedy>.+)\nHelp: task-audit explain (?P=code)\n"
    r"(?P<causes>(?:Cause: .+\n)*)\Z"
)


def told(result):
    """The sentence and the remedy of the error that a command ended with."""
    found = FORM.search(result.stderr)
    assert found, result.stderr
    assert "Traceback" not in result.stderr
    return f"{found['message']} {found['remedy']}"

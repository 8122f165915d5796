"""The reference, as pages of Markdown made from the code: nothing in it is written twice.

``python -m etl.reference`` writes them into docs/reference, and the picture of the demo is made by ``picture``. No
command needs any of it.
"""

from etl.reference import commands, dictionary, events, exit_codes, metrics, questions, settings

PAGES = {
    "commands.md": commands.page,
    "settings.md": settings.page,
    "exit-codes.md": exit_codes.page,
    "questions.md": questions.page,
    "dictionary.md": dictionary.page,
    "metrics.md": metrics.page,
    "log-events.md": events.page,
}
"""What makes each file."""

"""Makes the reference pages of ``docs/`` from the code, which states each fact once.

``python -m docs.generate FOLDER`` writes all pages below a folder; ``picture`` draws the demo. The wheel does not
contain this package.
"""

from docs.generate import (
    commands,
    dictionary,
    error_index,
    events,
    exit_codes,
    failure_reasons,
    metrics,
    questions,
    responses,
    settings,
)

PAGES = {
    "reference/commands.md": commands.page,
    "reference/settings.md": settings.page,
    "reference/exit-codes.md": exit_codes.page,
    "reference/failure-reasons.md": failure_reasons.page,
    "reference/responses.md": responses.page,
    "reference/questions.md": questions.page,
    "reference/dictionary.md": dictionary.page,
    "reference/metrics.md": metrics.page,
    "reference/log-events.md": events.page,
    "errors/index.md": error_index.page,
}
"""The function that makes each page, by the page's path below ``docs/``."""

"""Makes the reference pages of ``docs/`` from the code, which states each fact once, and files of ``sql/`` for others.

``python -m docs.generate FOLDER`` writes all files below a folder; ``picture`` draws the demo. The wheel does not
contain this package.
"""

from docs.generate import (
    commands,
    contract,
    dbt,
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
from docs.generate.relations import relations

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


def all_files() -> dict[str, str]:
    """Return the text of every file that is made, by its path below the top of the checkout."""
    known = relations()
    return {
        **{f"docs/{name}": page() for name, page in PAGES.items()},
        **{f"sql/dbt/{name}": text for name, text in dbt.files(known).items()},
        **{f"sql/contract/{name}": text for name, text in contract.files(known).items()},
    }

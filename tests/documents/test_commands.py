"""Whatever a page tells people to type is typed here, in its order, and prints what the page shows."""

import re

import pytest

from tests.documents.pages import NOT_TYPED, PAGES, Command, Statement, steps, text_of

STEPS = {page: list(steps(text_of(page))) for page in PAGES}

INSTALLATIONS = {
    "docs/tutorial.md": "with_nothing",
    "docs/how-to/partitions.md": "after_a_night_on_postgresql",
    "docs/how-to/rights.md": "after_a_night_on_postgresql",
}
"""What a page takes for granted, where it is not a night on the embedded engines."""

TRIED_ELSEWHERE = {
    "README.md": "tests/sql/test_pages.py",
    "docs/how-to/sql.md": "tests/sql/test_pages.py",
    "docs/reference/questions.md": "tests/sql/test_questions.py",
}
"""Pages whose statements are tried on every engine."""


TYPED_ELSEWHERE = {"docs/how-to/first-configuration.md": "tests/cli/test_how_to.py, which has a secret to type"}


def is_typed(page, step):
    if page in TYPED_ELSEWHERE:
        return False
    match step:
        case Command():
            return step.is_typed
        case Statement():
            return page not in TRIED_ELSEWHERE
    return True


TO_TYPE = {page: [step for step in STEPS[page] if is_typed(page, step)] for page in PAGES}


def page_to_type(page):
    """Mark a page whose installation is on PostgreSQL."""
    return pytest.param(page, marks=pytest.mark.postgresql if page in INSTALLATIONS else ())


@pytest.mark.process
@pytest.mark.parametrize("page", [page_to_type(page) for page in PAGES if TO_TYPE[page]])
def test_what_a_page_says_can_be_typed(page, request):
    terminal = request.getfixturevalue(INSTALLATIONS.get(page, "after_a_night"))

    results = terminal.type(TO_TYPE[page])

    for number, step in enumerate(TO_TYPE[page]):
        if isinstance(step, Command | Statement):
            printed, code = results[number]
            assert code == step.ends_with, f"{step}\n{printed}"
        if isinstance(step, Command):
            assert_shown(step, printed)


def assert_shown(command, printed):
    """Find each line that the page shows, in its order; an ellipsis stands for anything."""
    lines = iter([" ".join(line.split()) for line in printed.splitlines()])
    for shown in command.shown:
        wanted = re.escape(" ".join(shown.split())).replace("…", ".*")
        assert any(re.fullmatch(wanted, line) for line in lines), f"{command.words}: {shown!r} is not in\n{printed}"


def test_what_cannot_be_typed_is_said_somewhere():
    words = [step.words for page in PAGES for step in STEPS[page] if isinstance(step, Command) and not step.is_typed]
    assert {beginning for beginning in NOT_TYPED if not any(each.startswith(beginning) for each in words)} == set()

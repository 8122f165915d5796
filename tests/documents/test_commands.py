"""These tests type every command of a page in its order, and compare the output with the page."""

import re

import pytest

from tests.documents.pages import PAGES, Command, Statement, steps, text_of

STEPS = {page: list(steps(text_of(page))) for page in PAGES}

INSTALLATIONS = {
    "docs/tutorial.md": "with_nothing",
    "docs/how-to/partitions.md": "after_a_night_on_postgresql",
    "docs/how-to/rights.md": "after_a_night_on_postgresql",
}
"""The fixture with the installation that a page assumes, unless it is one after a night on the embedded engines."""

TRIED_ELSEWHERE = {
    "README.md": "tests/sql/test_pages.py",
    "docs/how-to/sql.md": "tests/sql/test_pages.py",
    "docs/reference/questions.md": "tests/sql/test_questions.py",
}
"""Pages whose statements another test runs on every engine."""


TYPED_ELSEWHERE = {
    "docs/how-to/first-configuration.md": "tests/cli/test_how_to.py, which has a secret to type",
    "docs/how-to/dbt.md": "tests/field/test_dbt.py, which has dbt",
}


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


@pytest.mark.parametrize("page", [page_to_type(page) for page in PAGES if TO_TYPE[page]])
def test_a_page_s_commands_print_what_it_shows(page, request):
    terminal = request.getfixturevalue(INSTALLATIONS.get(page, "after_a_night"))

    results = terminal.type(TO_TYPE[page])

    for number, step in enumerate(TO_TYPE[page]):
        if isinstance(step, Command | Statement):
            printed, code = results[number]
            assert code == step.ends_with, f"{step}\n{printed}"
        if isinstance(step, Command):
            assert_shown(step, printed)


def assert_shown(command, printed):
    """Find each line that the page shows, in the order of the page; an ellipsis stands for any text."""
    lines = iter([" ".join(line.split()) for line in printed.splitlines()])
    for shown in command.shown:
        wanted = re.escape(" ".join(shown.split())).replace("…", ".*")
        assert any(re.fullmatch(wanted, line) for line in lines), f"{command.words}: {shown!r} is not in\n{printed}"

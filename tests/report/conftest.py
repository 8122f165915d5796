"""A headless Chromium, where the machine has one, and hostile words for it to show."""

import pytest
from playwright.sync_api import sync_playwright

from tests.conftest import CHROMIUM


@pytest.fixture
def browser():
    """A browser for one test: while it is there, its event loop keeps others from running in this thread."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()

"""The site builds without a warning, fetches nothing from other servers, and fits a phone."""

import re
import subprocess
import sys

import pytest
from playwright.sync_api import sync_playwright

from tests.conftest import CHROMIUM
from tests.documents.pages import ROOT

PHONE = {"width": 390, "height": 844}

ARTICLE = re.compile("<article.*?</article>", re.DOTALL)

TOO_WIDE = """
[...document.querySelectorAll("article > *")]
    .filter(element => element.getBoundingClientRect().right > innerWidth)
    .map(element => element.outerHTML)
"""
"""Finds elements of a page that reach beyond the screen. A table or a code block scrolls within itself."""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    built = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return sorted(folder.rglob("*.html"))


def test_no_page_asks_another_server_for_anything(site):
    assert site
    for page in site:
        asked = re.findall(
            r"<(?:script|link|img|iframe)[^>]* (?:src|href)=\"?(https?:[^\" >]+)", page.read_text("utf-8")
        )
        assert not asked, page


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")
def test_no_page_is_wider_than_a_phone(site):
    articles = [ARTICLE.search(page.read_text("utf-8"))[0] for page in site]
    start = next(page for page in site if page.name == "index.html")
    # To visit one page with the contents of all is faster than to visit each page.
    together = start.with_name("together.html")
    together.write_text(ARTICLE.sub(lambda _: "".join(articles), start.read_text("utf-8")), "utf-8")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = chromium.new_page(viewport=PHONE, java_script_enabled=False)
        tab.goto(together.as_uri(), wait_until="domcontentloaded")
        assert tab.evaluate("document.querySelectorAll('article').length") == len(site)
        assert tab.evaluate(TOO_WIDE) == []
        chromium.close()

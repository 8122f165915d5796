"""The page for operators is short, and names files that exist."""

import re
from pathlib import Path

CRON = Path(__file__).parents[2] / "cron"
README = (CRON / "README.md").read_text()


def test_the_files_it_names_exist():
    named = re.findall(r"(?:cron/|(?=kubernetes/))((?:systemd/|kubernetes/)?[\w.-]+)", README)
    links = re.findall(r"\]\(([^)]+)\)", README)

    assert named
    assert all((CRON / name).exists() for name in [*named, *links]), named


def test_it_is_one_page():
    assert len(README.splitlines()) < 100

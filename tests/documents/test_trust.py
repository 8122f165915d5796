"""Each line of the tables of docs/how-to/rights.md that say who can do what names tests that exist."""

import re
from pathlib import Path

from etl.resources import resource

HEADER = re.compile(r"\| who \||\|---")


def test_each_line_of_the_tables_names_its_tests():
    page = resource("docs", "how-to", "rights.md").read_text(encoding="utf-8")
    tables = page.partition("## Who can do what at worst")[2]
    lines = [line for line in tables.splitlines() if line.startswith("|") and not HEADER.match(line)]
    written = "\n".join(file.read_text(encoding="utf-8") for file in Path(__file__).parents[1].rglob("test_*.py"))

    assert len(lines) > 20
    for line in lines:
        named = re.findall(r"`(test_\w+)`", line)
        assert named, line
        assert all(f"def {name}(" in written for name in named), line

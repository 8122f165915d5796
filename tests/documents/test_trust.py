"""Each line about files and helpers in docs/how-to/rights.md names tests that exist."""

import re
from pathlib import Path

from etl.resources import resource

HEADING = "### With files, helpers and the archive, at worst"


def test_each_line_about_files_names_its_tests():
    page = resource("docs", "how-to", "rights.md").read_text(encoding="utf-8")
    section = page.partition(HEADING)[2].partition("\n## ")[0]
    _head, _rule, *lines = [line for line in section.splitlines() if line.startswith("|")]
    written = "\n".join(file.read_text(encoding="utf-8") for file in Path(__file__).parents[1].rglob("test_*.py"))

    assert len(lines) > 5
    for line in lines:
        named = re.findall(r"`(test_\w+)`", line)
        assert named, line
        assert all(f"def {name}(" in written for name in named), line

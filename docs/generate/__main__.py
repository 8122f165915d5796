"""Writes all pages below a folder that is laid out like ``docs/``: ``python -m docs.generate FOLDER``."""

import sys
from pathlib import Path

from docs.generate import PAGES

for name, page in PAGES.items():
    file = Path(sys.argv[1], name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page(), encoding="utf-8")

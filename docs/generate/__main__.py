"""Writes all files below a folder that is laid out like the checkout: ``python -m docs.generate FOLDER``."""

import sys
from pathlib import Path

from docs.generate import all_files

for name, text in all_files().items():
    file = Path(sys.argv[1], name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")

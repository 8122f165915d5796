"""``python -m etl.reference FOLDER``: write the pages anew."""

import sys
from pathlib import Path

from etl.reference import PAGES

for name, page in PAGES.items():
    Path(sys.argv[1], name).write_text(page(), encoding="utf-8")

#!/usr/bin/env bash
# DuckDB for Python looks for pandas at each value that is bound, again and again if pandas is not installed.
#
# Guess: a value is bound by its Python type; whether pandas is there is asked once for a process, if at all.
# Seen with duckdb 1.5.6 (and with 1.3.2): to bind one list of 20,000 texts starts more than 20,000 imports of pandas, each
# of which searches every folder of sys.path. With `sys.modules["pandas"] = None`, which lets an import fail at once, the
# same query took a tenth of the time on the author's machine, and executemany a half.
# It would hurt: a slim image binds lists of IDs, as in `WHERE id IN (SELECT unnest(?))`, at 50 microseconds for each ID;
# the same code is fast on a laptop, where pandas is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet duckdb==1.5.6
cat > look.py <<'PYTHON'
import sys
import time
from importlib.abc import MetaPathFinder

import duckdb

IDS = [f"15340870209037047{number:05d}" for number in range(20_000)]


class Counter(MetaPathFinder):
    imports = 0

    def find_spec(self, name, path, target=None):
        self.imports += name == "pandas"


def bind():
    begin = time.perf_counter()
    ((rows,),) = connection.execute("SELECT count(*) FROM (SELECT unnest(?))", [IDS]).fetchall()
    assert rows == len(IDS)
    return time.perf_counter() - begin


connection = duckdb.connect()
connection.execute("SELECT ?", ["warm"])
seconds = bind()
sys.modules["pandas"] = None
print(f"a list of 20,000 texts: {seconds / bind():.1f} times as long as if the import failed at once")
del sys.modules["pandas"]
counter = Counter()
sys.meta_path.insert(0, counter)
bind()
print(f"imports of pandas: {'at least one for each text' if counter.imports >= len(IDS) else counter.imports}")
PYTHON
venv/bin/python look.py | tee seen
if ! grep -qx 'imports of pandas: at least one for each text' seen; then
    echo "DuckDB behaves otherwise now"
    exit 1
fi
echo "as described"

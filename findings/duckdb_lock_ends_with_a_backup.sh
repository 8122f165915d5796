#!/usr/bin/env bash
# A process that copies the file that it has open in DuckDB loses DuckDB's lock on it, and a second writer is let in.
#
# Guess: the lock lasts as long as the connection, as with SQLite, which keeps its files open until the last lock ends.
# Seen with duckdb 1.5.6 and 2.0.1: a second process is refused while the first has the file open to write. After the first
# has copied the file (shutil.copyfile, which opens and closes it), the second one opens it to write as well. A lock of
# POSIX belongs to the process, which loses it when it closes any descriptor of the file.
# It would hurt: who makes backups within the process that writes has two writers some night, each with its own view.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/look.py" <<'PYTHON'
import shutil
import subprocess
import sys

import duckdb

FILE = "tasks.duckdb"

if sys.argv[1:] == ["second"]:
    try:
        duckdb.connect(FILE).close()
    except duckdb.IOException:
        print("refused")
    else:
        print("let in")
    sys.exit()


def second():
    command = [sys.executable, "-W", "ignore", __file__, "second"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


with duckdb.connect(FILE) as connection:
    connection.execute("CREATE TABLE task (id INTEGER)")
    connection.execute("CHECKPOINT")
    before = second()
    shutil.copyfile(FILE, "backup.duckdb")
    print(duckdb.__version__, before, "and after a backup", second())
PYTHON
cd "$folder"
for package in duckdb==1.5.6 duckdb==2.0.1; do
    python3 -m venv "$package"
    "$package/bin/pip" install --quiet "$package"
    rm -f ./*.duckdb*
    "$package/bin/python" -W ignore look.py | tee -a seen
done
printf '%s\n' '1.5.6 refused and after a backup let in' '2.0.1 refused and after a backup let in' > expected
if ! diff expected seen; then
    echo "DuckDB behaves otherwise now"
    exit 1
fi
echo "as described"

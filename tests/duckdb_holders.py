"""Notebooks: processes of their own that open a file of DuckDB and keep it open."""

import subprocess
import sys
from contextlib import contextmanager

HOLD = """
import sys
import duckdb
held = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "read_only")
print(duckdb.__version__, flush=True)
for statement in sys.stdin:
    print(held.execute(statement).fetchall(), flush=True)
"""


class Notebook:
    """A process that has a file open."""

    def __init__(self, process):
        self._process = process
        self.pid = process.pid
        self.version = process.stdout.readline().strip()

    def ask(self, statement):
        """Run a statement on the open connection; returns its rows as they print."""
        self._process.stdin.write(f"{statement}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


@contextmanager
def notebook(file, *, access="read_only", python=sys.executable):
    """Open a file in another process until the end, with the DuckDB of an environment."""
    with subprocess.Popen(
        [python, "-W", "ignore", "-c", HOLD, str(file), access],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Notebook(process)
        finally:
            process.stdin.close()
            process.wait()

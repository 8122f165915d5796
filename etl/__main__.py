"""The program: ``task-audit``, and ``python -m etl``.

As the first process of a container it hears only the signals that it has a handler for, so it has one from the
beginning: before the imports, which take a second, and beside the handlers of a run.
"""

import gc
import os
import signal
import sys

FIRST_PROCESS = 1
DIED_BY_SIGNAL = 128

GC_THRESHOLD = 50_000
"""New objects between two collections. The default of 700 means hundreds for the imports, which leave next to nothing
to collect, and several for every few requests."""


def main() -> None:
    """Run a command and end with its exit code."""
    if os.getpid() == FIRST_PROCESS:
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(DIED_BY_SIGNAL + number))
    gc.set_threshold(GC_THRESHOLD)
    from etl.cli import main as run_command  # noqa: PLC0415 - after the handler

    run_command()


if __name__ == "__main__":
    main()

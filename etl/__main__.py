"""The program: ``task-audit``, and ``python -m etl``.

The first process of a container receives only the signals that it has a handler for. The program therefore sets one
before its imports, which take a second, and before a run sets its own.
"""

import atexit
import gc
import os
import signal
import sys

FIRST_PROCESS = 1
DIED_BY_SIGNAL = 128

GC_THRESHOLD = 150_000
"""The new objects between two garbage collections, until a run begins. The default of 700 causes hundreds of them
during the imports, which leave little to collect. A command imports up to 120,000."""

ONLY_OWNER = 0o077
"""The permissions that a new file does not get. Databases, reports and the archive hold KooDrive's answers, so only
the user of the job may read them, whatever the umask of the shell or of cron is. A file that exists keeps its mode."""


def main() -> None:
    """Run a command and end with its exit code."""
    if os.getpid() == FIRST_PROCESS:
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(DIED_BY_SIGNAL + number))
    gc.set_threshold(GC_THRESHOLD)
    # The interpreter would look for garbage several times before it ends, which takes a fifth of a short command.
    atexit.register(gc.freeze)
    os.umask(ONLY_OWNER)
    # The imports follow the handler.
    from etl.cli import main as run_command  # noqa: PLC0415
    from etl.observe.streams import protect_streams  # noqa: PLC0415

    protect_streams()
    run_command()


if __name__ == "__main__":
    main()

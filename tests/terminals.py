"""Commands whose stdout is a terminal."""

import json
import os
import re
import subprocess
import sys

STYLE = re.compile(rb"\x1b\[[0-9;]*m")

RUN_ALL = """
import json, sys
from etl.cli import main
from etl.observe.streams import protect_streams

protect_streams()
for command in json.loads(sys.argv[1]):
    sys.argv = ["task-audit", *command]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code
    print("END", flush=True)
"""


def on_a_terminal(*commands, columns=200, encoding="utf-8"):
    """Run commands, which are lists of arguments, in one process; return what each has printed, without styles."""
    environment = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "COLUMNS": str(columns)}
    reader, terminal = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", RUN_ALL, json.dumps(commands)],
        env=os.environ | environment,
        stdout=terminal,
        stderr=subprocess.DEVNULL,
    )
    os.close(terminal)
    printed = b""
    try:
        while piece := os.read(reader, 65_536):
            printed += piece
    except OSError:
        # Linux says so when the last program has closed a terminal.
        pass
    finally:
        os.close(reader)
    assert process.wait() == 0
    *answers, rest = STYLE.sub(b"", printed).replace(b"\r\n", b"\n").split(b"END\n")
    assert (len(answers), rest) == (len(commands), b"")
    return answers

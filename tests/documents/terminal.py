"""A terminal for typed commands. Bash runs them, so pipes, redirections and variables are real.

Its ``task-audit`` sends each command to this process, which has already imported the program.
"""

import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import chdir
from shlex import quote
from threading import Thread
from unittest.mock import patch

from tests import processes
from tests.documents.pages import Added, Command, File, Statement

ASKING = """\
#!{python} -SE
import json, os, socket, sys
arguments = sys.argv[1:]
given = sys.stdin.read() if "-" in arguments else ""
with socket.socket(socket.AF_UNIX) as program:
    program.connect({address!r})
    program.sendall(json.dumps((arguments, os.getcwd(), dict(os.environ), given)).encode())
    program.shutdown(socket.SHUT_WR)
    out, error, code = json.load(program.makefile())
print(out, end="")
print(error, end="", file=sys.stderr)
sys.exit(code)
"""
"""The program that bash runs as ``task-audit``. It imports only modules that load fast."""

MACHINE = re.compile(r"(?<![\w./-])/(?=(?:etc|run|srv|var)/)")
"""A folder of the machine that a page names. The terminal replaces it by one below its own folder."""

PORT = "8080"
"""The port of the stand-in on pages. The terminal replaces it by a free one."""


class Terminal:
    """Bash in a folder."""

    def __init__(self, folder, run, environment):
        self._folder = folder
        self._kept = folder / ".typed"
        self._run = run
        # The path of a socket must be short.
        self._sockets = tempfile.TemporaryDirectory(prefix="terminal-")
        self._listener = socket.create_server(f"{self._sockets.name}/program", family=socket.AF_UNIX)
        self._port = str(free_port())
        self._background = []
        asking = folder / ".venv" / "bin" / "task-audit"
        asking.parent.mkdir(parents=True)
        asking.write_text(ASKING.format(python=sys.executable, address=self._listener.getsockname()), encoding="utf-8")
        asking.chmod(0o755)
        self._environment = environment | {"PATH": f"{asking.parent}:{environment['PATH']}"}

    def type(self, steps):
        """Type the steps until one fails; return the output and the exit code of each."""
        self._kept.mkdir()
        script = "\n".join(["code=0", *(self._typed(number, step) for number, step in enumerate(steps))])
        script = MACHINE.sub(f"{self._folder}/", script).replace(PORT, self._port)
        self._serve(
            subprocess.Popen(["bash", "-c", script], cwd=self._folder, env=self._environment, stdin=subprocess.DEVNULL)
        )
        results = {int(file.stem): self._result(file) for file in self._kept.glob("*.code")}
        shutil.rmtree(self._kept)
        return results

    def _result(self, file):
        printed = file.with_suffix(".out").read_text(encoding="utf-8")
        return printed.replace(f"{self._folder}/", "/").replace(self._port, PORT), int(file.read_text())

    def _typed(self, number, step):
        match step:
            case File(name=name, text=text):
                return f'mkdir -p "$(dirname {name})"\ncat > {name} <<"END OF FILE"\n{text}END OF FILE'
            case Added(settings=settings):
                return "\n".join(f"export TASK_AUDIT_{key.upper()}={_quoted(value)}" for key, value in settings.items())
            case Statement(text=text):
                words = f'psql --quiet --set ON_ERROR_STOP=1 "dbname=warehouse" <<"END OF FILE"\n{text}END OF FILE'
            case Command(words=words):
                pass
        return (
            f"(exit $code)\n{{ {words}\n}} > {self._kept}/{number}.out 2>&1\n"
            f"code=$?; echo $code > {self._kept}/{number}.code; [ $code = {step.ends_with} ] || exit"
        )

    def _serve(self, bash):
        """Run the program for bash until bash ends. The program's signal handlers need the main thread."""
        waiting = Thread(target=self._report_end, args=[bash])
        waiting.start()
        while asked := self._asked():
            asking, arguments = asked
            with asking:
                asking.sendall(json.dumps(self._answer(*arguments)).encode())
        waiting.join()

    def _asked(self):
        asking, _ = self._listener.accept()
        with asking.makefile() as question:
            words = question.read()
        if words:
            return asking, json.loads(words)
        asking.close()
        return None

    def _report_end(self, bash):
        bash.wait()
        with socket.socket(socket.AF_UNIX) as terminal:
            terminal.connect(self._listener.getsockname())

    def _answer(self, arguments, folder, environment, given):
        if arguments[0] == "fake-api":
            return self._start(arguments), "", 0
        standard_input = io.TextIOWrapper(io.BytesIO(given.encode()), encoding="utf-8")
        with patch.dict(os.environ, environment, clear=True), chdir(folder), patch("sys.stdin", standard_input):
            result = self._run(*arguments)
        return result.stdout, result.stderr, int(result.exit_code)

    def _start(self, arguments):
        """Start a program in the background; its first line shows that it is ready."""
        started = processes.start(arguments, folder=self._folder)
        self._background.append(started)
        started.wait_for("http://")
        return started.printed()[0]

    def close(self):
        for process in self._background:
            process.send_signal(signal.SIGTERM)
            process.wait()
        self._listener.close()
        self._sockets.cleanup()


def free_port():
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return asked.getsockname()[1]


def _quoted(value):
    match value:
        case bool():
            return str(value).lower()
        case list():
            return quote(json.dumps(value))
    return quote(str(value))

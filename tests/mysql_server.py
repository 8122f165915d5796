"""The tests start a MariaDB or MySQL server of their own, if one is installed: in a temporary folder, off the network.

The server has the defaults of a careless installation (another time zone, another character set, no strict mode), and
the job has to work in spite of them.
"""

import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin", "/usr/libexec"])
SERVER = shutil.which("mariadbd", path=PATH) or shutil.which("mysqld", path=PATH)
MYSQL = ["mysql"] if SERVER else []
"""The name of the engine, for lists of engines to test; a machine without a server leaves it out."""

MAX_START_SECONDS = 60  # A loaded machine needs a few seconds for the first start.

CARELESS = (
    "--default-time-zone=+05:45",
    "--character-set-server=latin1",
    "--collation-server=latin1_swedish_ci",
    "--sql-mode=",
)
OFFLINE = ("--skip-networking",)
FRUGAL = ("--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M", "--skip-log-bin")
UNSAFE = "--innodb-flush-method=nosync"
"""The files are deleted after the tests, so the server need not flush them."""


@contextmanager
def running(folder, *options, network=OFFLINE):
    """Start the server in an empty folder and yield the path of its socket, on which root needs no password."""
    data, socket, temporary = Path(folder) / "data", Path(folder) / "socket", Path(folder) / "tmp"
    # A server that starts deletes the temporary tables that it finds in its tmpdir, those of other servers as well.
    temporary.mkdir()
    usual = ["--no-defaults", f"--datadir={data}", f"--tmpdir={temporary}", UNSAFE, *options]
    if os.geteuid() == 0:
        usual.append("--user=root")
    with Path(folder, "log").open("w+", encoding="utf-8") as log:
        subprocess.run([*_install(), *usual], stdout=log, stderr=log, check=True)
        command = [SERVER, *usual, *network, *FRUGAL, *CARELESS, f"--socket={socket}", f"--pid-file={folder}/pid"]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _wait(process, socket, log)
            yield socket
        finally:
            # A clean shutdown takes longer, and the files are deleted anyway.
            process.kill()
            process.wait()


def _install():
    version = subprocess.run([SERVER, "--no-defaults", "--version"], capture_output=True, text=True, check=True).stdout
    if "MariaDB" in version:
        return ["mariadb-install-db", "--auth-root-authentication-method=normal", "--skip-test-db"]
    return [SERVER, "--initialize-insecure"]


def _wait(process, socket, log):
    started_at = time.monotonic()
    while not socket.exists():
        if process.poll() is not None or time.monotonic() - started_at > MAX_START_SECONDS:
            log.seek(0)
            raise RuntimeError(f"{SERVER} did not start:\n{log.read()[-2000:]}")
        time.sleep(0.02)

"""A receiver of reports that is dead or slow costs a run two seconds in all, and never its outcome."""

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from threading import Event, Thread

import pytest

from tests.nights import task_ids


@contextmanager
def trickling():
    """A server that answers each request with a byte every fifth of a second, for ever: no read ever waits too long."""
    over = Event()

    def trickle(connection):
        with suppress(OSError), connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not over.wait(0.2):
                connection.sendall(b" ")

    def serve():
        with suppress(OSError):
            while True:
                Thread(target=trickle, args=(server.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        over.set()
        server.shutdown(socket.SHUT_RDWR)


@contextmanager
def full():
    """A port that takes no connection and refuses none, as behind a firewall that swallows packets."""
    with socket.socket() as server, socket.socket() as first, socket.socket() as second:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for client in (first, second):
            client.settimeout(0.01)
            client.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("kind", [trickling, full])
def test_all_of_them_together_cost_a_process_two_seconds(night_of, configure, tmp_path, kind):
    pipe = tmp_path / "metrics.prom"
    os.mkfifo(pipe)
    with kind() as url, night_of() as night:
        night.enqueue(*task_ids(3), "not-an-id")
        configure(
            telemetry__metrics_textfile=pipe,
            telemetry__pushgateway_url=url,
            telemetry__otlp_endpoint=url,
            telemetry__openlineage_url=url,
            notify__webhook_url=f"{url}/hook",
        )
        command = [sys.executable, "-m", "etl", "run", "--log-format", "json"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            lines = [next(line for line in process.stderr if '"run_finished"' in line)]
            finished_at = time.monotonic()
            lines += process.stderr.readlines()
            code = process.wait(timeout=30)
            took = time.monotonic() - finished_at
        finally:
            process.kill()
            process.communicate()

    assert code == 65
    # Looking at the databases for the metrics, and the end of the interpreter, on a machine that is busy.
    assert took < 2 + 3
    for target in ("metrics_textfile", "pushgateway_url", "otlp_endpoint", "openlineage_url", "webhook_url"):
        assert any("telemetry_failed" in line and target in line for line in lines), target

import asyncio
import signal
import subprocess
import sys

import msgspec
import pytest
from click.testing import CliRunner

from etl.cli.fake_api import fake_api
from etl.fake_api import running_in_thread

START = "from etl.cli.fake_api import fake_api; fake_api()"


@pytest.mark.parametrize("stop_signal", [signal.SIGINT, signal.SIGTERM])
def test_runs_until_it_is_stopped(ask, stop_signal):
    arguments = [sys.executable, "-c", START, "--seed", "7", "--fault", "http_503:17x1"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        base_url = process.stdout.readline().strip()
        assert base_url.startswith("http://127.0.0.1:")
        assert [asyncio.run(ask(base_url, "17")).status for _ in range(2)] == [503, 200]
        process.send_signal(stop_signal)
        more_output, counts = process.communicate(timeout=20)
    assert process.returncode == 0
    assert more_output == ""
    assert msgspec.json.decode(counts)["by_status"] == {"200": 1, "503": 1}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--fault", "gremlins:1"], "There is no fault 'gremlins'. Known: business_error_200"),
        (["--fault", "stall:2x"], "'stall:2x' is not NAME:RATE"),
        (["--app-id", "a"], "An app needs both an ID and a secret."),
        (["--rate", "0"], "--rate"),
    ],
)
def test_wrong_usage(arguments, complaint):
    result = CliRunner().invoke(fake_api, arguments)
    assert result.exit_code == 2
    assert complaint in " ".join(result.output.split())


def test_a_taken_port_is_wrong_usage():
    with running_in_thread() as first:
        port = first.base_url.rpartition(":")[2]
        result = CliRunner().invoke(fake_api, ["--port", port])
    assert result.exit_code == 2
    assert f"Cannot listen on 127.0.0.1:{port}" in result.output

import asyncio
import re
import signal
import subprocess
import sys

import msgspec
import pytest
from click.testing import CliRunner

from etl.cli.fake_api import fake_api
from etl.fake_api import Behaviour, running_in_thread
from etl.fake_api.effects import EFFECTS

START = "from etl.cli.fake_api import fake_api; fake_api()"


@pytest.mark.parametrize("stop_signal", [signal.SIGINT, signal.SIGTERM])
def test_the_command_runs_until_a_signal_stops_it(ask, stop_signal):
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
        (["--outage", "5"], "'5' is not two numbers with '-' between them"),
        (["--outage", "9-5"], "An outage must end after it began."),
        (["--flap", "5-2"], "'5-2' is not two numbers with ',' between them"),
        (["--token-uses", "-1"], "--token-uses"),
    ],
)
def test_wrong_options_are_a_usage_error(arguments, complaint):
    result = CliRunner().invoke(fake_api, arguments)
    assert result.exit_code == 2
    assert complaint in " ".join(result.output.split())


def test_a_port_in_use_is_a_usage_error():
    with running_in_thread() as first:
        port = first.base_url.rpartition(":")[2]
        result = CliRunner().invoke(fake_api, ["--port", port])
    assert result.exit_code == 2
    assert f"Cannot listen on 127.0.0.1:{port}" in result.output


def test_help_names_every_option_and_every_fault():
    shown = CliRunner().invoke(fake_api, ["--help"]).output
    options = {option for parameter in fake_api.params for option in parameter.opts}
    assert options | set(EFFECTS) <= set(re.split(r"[\s,]+|\.\s", shown))


def test_every_option_sets_its_behaviour(monkeypatch):
    ordered = []
    # The package's attribute of this name is the command, not its module.
    module = sys.modules["etl.cli.fake_api"]
    monkeypatch.setattr(module, "FakeApi", lambda behaviour, **_address: ordered.append(behaviour))
    monkeypatch.setattr(module, "_serve", lambda _api: asyncio.sleep(0))
    options = (
        "--rate 5 --silent-limit --retry-after 2 --outage 1-2.5 --outage 9-10 --flap 3,0.5 --clock-offset -90 "
        "--token t --token-uses 4 --session-id s --refresh-token r --redirect-to http://127.0.0.1:9/"
    )
    result = CliRunner().invoke(fake_api, options.split())
    assert result.exit_code == 0, result.output
    assert ordered == [
        Behaviour(
            rate=5,
            silent_limit=True,
            retry_after=2,
            outages=((1.0, 2.5), (9.0, 10.0)),
            flap=(3.0, 0.5),
            clock_offset_seconds=-90.0,
            token="t",
            token_uses=4,
            session_id="s",
            refresh_token="r",
            redirect_to="http://127.0.0.1:9/",
        )
    ]

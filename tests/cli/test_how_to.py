"""The commands of the how-to pages of the first steps work, in the order of the pages."""

import re
import shlex
import subprocess
from pathlib import Path

from etl.cli.fake_api import fake_api
from etl.fake_api import Behaviour, running_in_thread
from etl.fake_api.listing import a_minute_apart
from tests.nights import TOKEN

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"


def commands(page):
    text = (HOW_TO / page).read_text(encoding="utf-8")
    lines = re.findall(r"^\$ (.*)$", "\n".join(re.findall(r"```console\n(.*?)```", text, re.DOTALL)), re.MULTILINE)
    return [command for line in lines for command in line.split(" && ")]


def test_from_nothing_to_a_dry_run_and_a_full_queue(task_audit, configure, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    done = []
    with running_in_thread(Behaviour(token=TOKEN, task_ids=a_minute_apart(20))) as api:
        for command in [*commands("first-configuration.md"), *commands("enqueue-from-api.md")]:
            program, *arguments = shlex.split(command, comments=True)
            if program == "export":
                # The page tells the reader to fill in the file here.
                configure(api__base_url=api.base_url, api__user_id="1", config=arguments[0].partition("=")[2])
            elif program != "task-audit":
                subprocess.run(["/bin/sh", "-c", command], input=f"{TOKEN}\n", text=True, check=True)
            elif arguments[0] == "fake-api":
                fake_api.make_context("fake-api", arguments[1:], help_option_names=["-h", "--help"])
            else:
                result = task_audit(*arguments)
                assert result.exit_code == 0, (command, result.stderr)
                done.append((arguments[0], result.stdout))
    assert [name for name, _ in done][:5] == ["config", "init", "doctor", "enqueue", "run"]
    added = [stdout for name, stdout in done if name == "enqueue"]
    assert added[:2] == ["10 new, 0 already there.\n", "0 new, 10 already there.\n"]
    assert added[3] == "10 new, 10 already there.\n"

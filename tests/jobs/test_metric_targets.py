"""What doctor says about the textfile and the Pushgateway: each thing that hides metrics is made for real."""

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest

from etl.observe.metrics import PREFIX
from tests.field.parts import folder_for
from tests.http_servers import serving


@pytest.fixture
def folder():
    """Make a folder that all users may read, unlike the folders of pytest."""
    with folder_for("nobody") as made:
        yield made


def metrics(night):
    """Return the state and the words of the findings about metrics."""
    findings = json.loads(night.run("doctor", "--json").stdout)
    return [
        (each["state"], f"{each['said']} {each['remedy'] or ''}") for each in findings if each["subject"] == "metrics"
    ]


def only_warning(night):
    ((state, said),) = metrics(night)
    assert state == "warning"
    return said


def test_a_textfile_that_works_is_one_line_with_the_label(night_of, folder):
    file = folder / "task_audit.prom"
    with night_of(telemetry__metrics_textfile=file, telemetry__metrics_configuration="leavers") as night:
        assert night.run("run").exit_code == 0
        ((state, said),) = metrics(night)

    assert state == "ok"
    assert 'configuration="leavers"' in said
    assert list(folder.iterdir()) == [file]


def test_without_a_target_nothing_is_said(night_of):
    with night_of() as night:
        assert metrics(night) == []


def test_a_folder_that_is_missing_and_one_that_takes_no_file(night_of, configure, folder):
    with night_of(telemetry__metrics_textfile=folder / "none" / "x.prom") as night:
        assert "No such file or directory" in only_warning(night)
        configure(telemetry__metrics_textfile="/proc/x.prom")
        assert "ReadWritePaths" in only_warning(night)


def test_what_only_its_owner_can_read(night_of, folder):
    inner = folder / "textfile"
    inner.mkdir()
    file = inner / "x.prom"
    file.touch(0o600)
    with night_of(telemetry__metrics_textfile=file) as night:
        assert f"chmod 0644 {file}" in only_warning(night)
        file.chmod(0o644)
        folder.chmod(0o700)
        assert f"chmod go+rx {folder}" in only_warning(night)


def test_another_file_with_the_same_series(night_of, configure, folder):
    with night_of(telemetry__metrics_textfile=folder / "earlier.prom") as night:
        assert night.run("run").exit_code == 0
        (folder / "other_program.prom").write_text("up 1\n", encoding="utf-8")
        configure(telemetry__metrics_textfile=folder / "task_audit.prom")
        assert f"{folder}/earlier.prom has the same series" in only_warning(night)
        configure(telemetry__metrics_configuration="leavers")
        assert [state for state, _ in metrics(night)] == ["ok"]


@contextmanager
def pushgateway(page):
    """A server that answers every request with a page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *arguments):
            pass

    with serving(Handler) as url:
        yield url


def groups(*each):
    """Write groups as the API of a Pushgateway does."""
    return json.dumps(
        {
            "data": [
                {"labels": labels, f"{PREFIX}last_run_exit_code": {"metrics": [{"labels": labels | more}]}}
                for labels, more in each
            ]
        }
    )


@pytest.mark.parametrize("shard", [{}, {"shard": "1"}])
def test_another_configuration_in_the_same_group(night_of, configure, shard):
    in_ours = ({"job": "task-audit"} | shard, {"configuration": "theirs"})
    in_its_own = ({"job": "task-audit", "configuration": "tidy"}, {})
    before_labels = ({"job": "task-audit"}, {})
    with (
        pushgateway(groups(in_ours, in_its_own, before_labels)) as url,
        night_of(telemetry__pushgateway_url=url) as night,
    ):
        assert "(theirs)" in only_warning(night)
        configure(telemetry__metrics_configuration="leavers")
        assert [state for state, _ in metrics(night)] == ["ok"]


@pytest.mark.parametrize("page", ["<html>", "[]", '{"data": [{"labels": 1}]}'])
def test_a_server_that_is_no_pushgateway(night_of, page):
    with pushgateway(page) as url, night_of(telemetry__pushgateway_url=url) as night:
        assert "not as a Pushgateway" in only_warning(night)


def test_a_pushgateway_that_does_not_answer(night_of):
    with night_of(telemetry__pushgateway_url="http://127.0.0.1:9") as night:
        assert "Connection refused" in only_warning(night)

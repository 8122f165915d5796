"""The textfile beside node_exporter, which is another user: what it shows, and what doctor says about the rest."""

import os
from contextlib import contextmanager

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.field.parts import folder_for, free_port, program, read, run_as, running
from tests.nights import task_ids

USER = "nobody"


@pytest.fixture
def folder():
    """Make the folder of the textfiles."""
    with folder_for(USER) as made:
        yield made


@pytest.fixture
def shown(folder):
    """Start node_exporter on the folder; return a function that asks for a metric: its values by configuration."""
    port = free_port()
    command = [
        *run_as(USER),
        program("prometheus-node-exporter"),
        f"--web.listen-address=127.0.0.1:{port}",
        "--collector.disable-defaults",
        "--collector.textfile",
        f"--collector.textfile.directory={folder}",
    ]

    def ask(name):
        families = text_string_to_metric_families(read(f"http://127.0.0.1:{port}/metrics"))
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        return {sample.labels.get("configuration"): sample.value for sample in samples}

    with folder_for(USER) as logs, running(command, port=port, log=logs / "output"):
        yield ask


@contextmanager
def umask(bits):
    earlier = os.umask(bits)
    try:
        yield
    finally:
        os.umask(earlier)


EXIT_CODE = "task_audit_last_run_exit_code"


def warnings(night):
    return [line for line in night.run("doctor").stdout.splitlines() if line.startswith("warning  metrics: ")]


def test_the_metrics_of_a_unit_with_a_strict_umask_are_shown(night_of, folder, shown):
    file = folder / "task_audit.prom"
    with umask(0o077), night_of(telemetry__metrics_textfile=file) as night:
        night.enqueue(*task_ids(3), "not-an-id")
        assert night.run("run").exit_code == 65
        assert warnings(night) == []

    assert list(shown(EXIT_CODE).values()) == [65]
    assert shown("node_textfile_scrape_error") == {None: 0}


def test_two_configurations_in_one_folder_are_both_shown(night_of, configure, folder, shown, tmp_path):
    with night_of(telemetry__metrics_textfile=folder / "first.prom") as night:
        night.enqueue("not-an-id")
        assert night.run("run").exit_code == 65
        configure(telemetry__metrics_textfile=folder / "second.prom", source__url=f"sqlite:///{tmp_path}/2.sqlite")
        assert night.run("init").exit_code == 0
        assert night.run("run").exit_code == 0
        assert warnings(night) == []

    assert sorted(shown(EXIT_CODE).values()) == [0, 65]


def test_doctor_names_the_file_whose_series_node_exporter_drops(night_of, configure, folder, shown):
    configure(telemetry__metrics_configuration="leavers")
    with night_of(telemetry__metrics_textfile=folder / "a.prom") as night:
        night.enqueue("not-an-id")
        assert night.run("run").exit_code == 65
        configure(telemetry__metrics_textfile=folder / "b.prom")
        assert night.run("run").exit_code == 0
        (line,) = warnings(night)

    assert f"{folder}/a.prom has the same series" in line
    assert shown(EXIT_CODE) == {"leavers": 65}
    assert shown("node_textfile_scrape_error") == {None: 0}


def test_doctor_names_the_folder_that_node_exporter_cannot_read(night_of, folder, shown):
    inner = folder / "state"
    inner.mkdir()
    with night_of(telemetry__metrics_textfile=inner / "task_audit.prom") as night:
        assert night.run("run").exit_code == 0
        folder.chmod(0o700)
        if os.geteuid() == 0:
            os.chown(folder, 0, 0)
        (line,) = warnings(night)

    assert f"Only its owner can read {folder}" in line
    assert shown(EXIT_CODE) == {}

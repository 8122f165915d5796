"""kill -9 at every crash point of an export, and a reader beside it: no half export is ever seen."""

import signal
import threading
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import update

from etl.crash_points import EXPORT_POINTS
from etl.database.connections import open_engine
from etl.warehouse.tables import fact_task_status
from tests import processes
from tests.export.reading import checked, days_of, manifest_of
from tests.warehouse.conftest import NOON, audit_on  # noqa: F401 - a fixture

POINTS = ["renaming:1", "exporting:1", "exporting:4", "renaming@manifest.json", "exported", "published", "deleting"]
OLD = "0190a000-0000-7000-8000-000000000000"


class Reader(threading.Thread):
    """Reads the export again and again, and checks each file against the manifest."""

    def __init__(self, folder):
        super().__init__()
        self._folder = folder
        self._ended = threading.Event()
        self.seen = set()
        self.error = None

    def run(self):
        while not self._ended.is_set() and self.error is None:
            try:
                manifest = manifest_of(self._folder)
                names = set(checked(self._folder, manifest)["fact_task_status"]["task_name"])
                # All facts have the name of one night.
                assert len(names) == 1
                self.seen |= {manifest["export_id"]}
            except Exception as error:  # noqa: BLE001 - the test raises it
                self.error = error

    def end(self):
        self._ended.set()
        self.join()
        if self.error:
            raise self.error


@pytest.fixture(params=["duckdb", "sqlite"])
def nights(request, tmp_path, configure, audit_on):  # noqa: F811
    """A configured warehouse; the function changes every fact."""
    url = SecretStr(f"{request.param}:///{tmp_path}/warehouse")
    configure(warehouse__url=url.get_secret_value())
    engine = open_engine(url, name="the warehouse", create=True)
    audit = audit_on(engine)
    days = (NOON - timedelta(days=each) for each in range(5))
    audit.load(*(audit.seen(2, task_id=str(1534087020903704704 + n), submitted_at=day) for n, day in enumerate(days)))
    engine.dispose()

    def change(name):
        with engine.begin() as connection:
            connection.execute(update(fact_task_status).values(task_name=name))
        engine.dispose()

    return change


def test_a_reader_sees_whole_exports_while_each_is_killed(nights, task_audit, tmp_path, monkeypatch):
    out = tmp_path / "out"
    nights("night 0")
    assert task_audit("export", "--out", out).exit_code == 0
    reader = Reader(out)
    reader.start()
    for number, point in enumerate(POINTS, start=1):
        nights(f"night {number}")
        (out / "audit_run" / f"{OLD}-0000.parquet").write_bytes(b"PAR1")
        monkeypatch.setenv("TASK_AUDIT_CRASH_AT", point)
        process = processes.start(("export", "--out", str(out)), folder=tmp_path)
        stderr = process.communicate(timeout=120)[1]
        assert process.returncode == -signal.SIGKILL, f"{point}: {process.returncode}\n{stderr}"
        is_published = point in {"published", "deleting"}
        assert set(checked(out)["fact_task_status"]["task_name"]) == {f"night {number if is_published else 0}"}
    monkeypatch.delenv("TASK_AUDIT_CRASH_AT")
    done = task_audit("export", "--out", out)
    assert done.exit_code == 0, done.stderr
    reader.end()

    assert len(reader.seen) >= 2
    assert task_audit("export", "--out", tmp_path / "full").exit_code == 0
    assert days_of(manifest_of(out)) == days_of(manifest_of(tmp_path / "full"))
    assert not (out / "audit_run" / f"{OLD}-0000.parquet").exists()


def test_an_export_that_was_killed_before_its_first_manifest_is_repeated(nights, task_audit, tmp_path, monkeypatch):
    out = tmp_path / "out"
    for point in ("renaming:1", "exporting:2", "renaming@manifest.json"):
        monkeypatch.setenv("TASK_AUDIT_CRASH_AT", point)
        process = processes.start(("export", "--out", str(out)), folder=tmp_path)
        process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL
        assert not (out / "manifest.json").exists()
    monkeypatch.delenv("TASK_AUDIT_CRASH_AT")

    assert task_audit("export", "--out", out).exit_code == 0
    checked(out)


def test_all_crash_points_of_an_export_are_tried():
    assert {point.partition(":")[0].partition("@")[0] for point in POINTS} == set(EXPORT_POINTS)

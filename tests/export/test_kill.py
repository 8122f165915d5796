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
from tests.object_store import KEYS, client_of
from tests.places import SERVERS, WAREHOUSES
from tests.warehouse.conftest import NOON, audit_on  # noqa: F401 - a fixture

POINTS = ["renaming:1", "exporting:1", "exporting:4", "renaming@manifest.json", "exported", "published", "deleting"]
OLD = "0190a000-0000-7000-8000-000000000000"


class Reader(threading.Thread):
    """Reads the export again and again, and checks each file against the manifest."""

    def __init__(self, read):
        super().__init__()
        self._read = read
        self._ended = threading.Event()
        self.seen = set()
        self.error = None

    def run(self):
        while not self._ended.is_set() and self.error is None:
            try:
                manifest = manifest_of(self._read)
                names = set(checked(self._read, manifest)["fact_task_status"]["task_name"])
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


class InFolder:
    """A folder as the place of exports."""

    points = POINTS

    def __init__(self, folder):
        self.location = str(folder)
        self.read = lambda name: (folder / name).read_bytes()
        self.put = lambda name, content: (folder / name).write_bytes(content)
        self.has = lambda name: (folder / name).exists()


class InBucket:
    """A prefix of a bucket, which renames no file."""

    points = tuple(point for point in POINTS if not point.startswith("renaming"))

    def __init__(self, client, prefix):
        where = {"Bucket": "answers"}
        self.location = f"s3://answers/{prefix}"
        self.read = lambda name: client.get_object(Key=f"{prefix}/{name}", **where)["Body"].read()
        self.put = lambda name, content: client.put_object(Key=f"{prefix}/{name}", Body=content, **where)
        self.has = lambda name: client.list_objects_v2(Prefix=f"{prefix}/{name}", **where)["KeyCount"] > 0


@pytest.fixture(
    params=[
        "duckdb+folder",
        "postgresql+bucket",
        *(
            pytest.param(place, marks=pytest.mark.soak)
            for place in (
                "sqlite+folder",
                "postgresql+folder",
                "mysql+folder",
                "duckdb+bucket",
                "sqlite+bucket",
                "mysql+bucket",
            )
        ),
    ]
)
def engine_and_place(request):
    engine, place = request.param.split("+")
    return (engine, place) if engine in WAREHOUSES else pytest.skip(f"{engine} is not installed")


@pytest.fixture
def nights(engine_and_place, request, tmp_path, configure, audit_on):  # noqa: F811
    """A configured warehouse; the function changes every fact."""
    engine = engine_and_place[0]
    url = SecretStr(request.getfixturevalue(SERVERS[engine]) if engine in SERVERS else f"{engine}:///{tmp_path}/w")
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


@pytest.fixture
def out(engine_and_place, request, tmp_path, configure):
    """The place of the exports, to which the settings lead."""
    if engine_and_place[1] == "folder":
        return InFolder(tmp_path / "out")
    pytest.importorskip("obstore")
    store = request.getfixturevalue("object_store")
    configure(export__s3_endpoint=store["s3_endpoint"], **{f"export__{key}": value for key, value in KEYS.items()})
    return InBucket(client_of(store["s3_endpoint"]), tmp_path.name)


def killed(out, point, folder, monkeypatch):
    """Export, and be killed at a crash point."""
    monkeypatch.setenv("TASK_AUDIT_CRASH_AT", point)
    process = processes.start(("export", "--out", out.location), folder=folder)
    stderr = process.communicate(timeout=120)[1]
    monkeypatch.delenv("TASK_AUDIT_CRASH_AT")
    assert process.returncode == -signal.SIGKILL, f"{point}: {process.returncode}\n{stderr}"


def test_a_reader_sees_whole_exports_while_each_is_killed(nights, out, task_audit, tmp_path, monkeypatch):
    nights("night 0")
    assert task_audit("export", "--out", out.location).exit_code == 0
    reader = Reader(out.read)
    reader.start()
    published = 0
    for number, point in enumerate(out.points, start=1):
        nights(f"night {number}")
        out.put(f"audit_run/{OLD}-0000.parquet", b"PAR1")
        killed(out, point, tmp_path, monkeypatch)
        published = number if point in {"published", "deleting"} else published
        assert set(checked(out.read)["fact_task_status"]["task_name"]) == {f"night {published}"}
    done = task_audit("export", "--out", out.location)
    assert done.exit_code == 0, done.stderr
    reader.end()

    assert len(reader.seen) >= 2
    assert task_audit("export", "--out", tmp_path / "full").exit_code == 0
    assert days_of(manifest_of(out.read)) == days_of(manifest_of(tmp_path / "full"))
    assert not out.has(f"audit_run/{OLD}-0000.parquet")


def test_an_export_that_was_killed_before_its_first_manifest_is_repeated(
    nights, out, task_audit, tmp_path, monkeypatch
):
    for point in [point for point in out.points if point not in {"published", "deleting"}]:
        killed(out, point, tmp_path, monkeypatch)
        assert not out.has("manifest.json")

    assert task_audit("export", "--out", out.location).exit_code == 0
    checked(out.read)


def test_all_crash_points_of_an_export_are_tried():
    assert {point.partition(":")[0].partition("@")[0] for point in POINTS} == set(EXPORT_POINTS)

"""The files of an export survive a power failure before its manifest appears, and several are written at a time."""

import os
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from etl.database.connections import open_engine
from etl.export.place import FolderPlace
from etl.warehouse.tables import fact_task_status
from tests.export.reading import files_of, manifest_of
from tests.export.test_readers import AT, fact
from tests.warehouse.conftest import audit_on  # noqa: F401 - a fixture

DAYS = 12


@pytest.fixture
def warehouse(tmp_path, audit_on, add):  # noqa: F811
    """A warehouse with a fact on each of several days."""
    url = SecretStr(f"sqlite:///{tmp_path}/warehouse")
    engine = open_engine(url, name="the warehouse", create=True)
    add(audit_on(engine), fact_task_status, *(fact(day, at=AT - timedelta(days=day)) for day in range(DAYS)))
    engine.dispose()
    return url


@pytest.fixture
def recorded(monkeypatch):
    """Record each sync and each rename: ``("fsync", path)`` and ``("replace", name)``."""
    calls = []
    fsync, replace = os.fsync, os.replace

    def recording_fsync(descriptor):
        calls.append(("fsync", str(Path(f"/proc/self/fd/{descriptor}").readlink())))
        fsync(descriptor)

    def recording_replace(old, new, **folders):
        calls.append(("replace", new))
        replace(old, new, **folders)

    monkeypatch.setattr(os, "fsync", recording_fsync)
    monkeypatch.setattr(os, "replace", recording_replace)
    return calls


def test_all_files_and_folders_are_synced_before_the_manifest_appears(warehouse, export, recorded, tmp_path):
    out = tmp_path / "out"
    export(warehouse, out)

    published = recorded.index(("replace", "manifest.json"))
    synced = [Path(path).relative_to(out) for kind, path in recorded[:published] if kind == "fsync"]
    files = [Path(path) for entry in manifest_of(out)["tables"] for path in files_of(entry)]
    folders = {parent for file in files for parent in file.parents}
    manifest = next(each for each in synced if each.match("manifest-*.unfinished"))
    # One sync for each file and for each folder, and then that of the manifest.
    assert sorted(synced) == sorted([*(file.with_suffix(".unfinished") for file in files), *folders, manifest])
    assert synced[-1] == manifest
    assert recorded[published + 1 :] == [("fsync", str(out))]


def test_files_are_written_at_a_time(warehouse, export, tmp_path, monkeypatch):
    """Each of two writers waits for the other, so that one alone would wait in vain."""
    write = FolderPlace.write
    together = threading.Barrier(2, timeout=30)

    def write_together(place, name, content):
        if name.startswith("fact_task_status/"):
            together.wait()
        write(place, name, content)

    monkeypatch.setattr(FolderPlace, "write", write_together)
    export(warehouse, tmp_path / "out", tables=("fact_task_status",))

    (facts,) = manifest_of(tmp_path / "out")["tables"]
    assert [partition["rows"] for partition in facts["partitions"]] == [1] * DAYS


def test_after_an_error_no_further_file_begins(warehouse, export, tmp_path, monkeypatch):
    begun = []

    def fail(_, name, content):
        begun.append(name)
        raise MemoryError

    monkeypatch.setattr(FolderPlace, "write", fail)
    with pytest.raises(MemoryError):
        export(warehouse, tmp_path / "out", tables=("fact_task_status",))

    assert 1 <= len(begun) <= DAYS
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("export")]

"""An export goes only where it belongs, says what is wrong, and shows no secret."""

import json
import os
import resource
import stat
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from etl.database.connections import open_engine
from etl.export.files import NAME, written_at
from tests.export.reading import checked, manifest_of
from tests.object_store import KEYS, client_of
from tests.reported_errors import reported_error
from tests.warehouse.conftest import audit_on  # noqa: F401 - a fixture


@pytest.fixture
def warehouse(tmp_path, configure, audit_on):  # noqa: F811
    """A configured warehouse with a run; the function makes another one."""

    def make(name):
        url = SecretStr(f"sqlite:///{tmp_path}/{name}.sqlite")
        configure(warehouse__url=url.get_secret_value())
        engine = open_engine(url, name="the warehouse", create=True)
        audit = audit_on(engine)
        audit.load(audit.seen(2), run=f"run-of-{name}")
        engine.dispose()
        return url

    make("first")
    return make


@contextmanager
def a_full_disk(size):
    """Limit the size of files, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_the_command_prints_what_it_wrote(warehouse, task_audit, tmp_path):
    done = task_audit("export", "--out", tmp_path / "out")

    assert done.exit_code == 0, done.stderr
    assert "           1 rows of fact_task_status (wrote 1 in 1 day)\n" in done.stdout
    again = task_audit("export", "--out", tmp_path / "out", "--json")
    told = json.loads(again.stdout)
    assert (told["complete"], told["bytes"], told["run_id"]) == (True, 0, "run-of-first")
    assert {count["written_days"] for count in told["tables"]} == {0}


def test_only_the_owner_may_read_an_export_whatever_the_umask(warehouse, task_audit, tmp_path):
    before = os.umask(0)
    try:
        assert task_audit("export", "--out", tmp_path / "new" / "out").exit_code == 0
    finally:
        os.umask(before)

    modes = {path.is_dir(): stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").rglob("*")}
    assert modes == {True: 0o700, False: 0o600}
    assert stat.S_IMODE((tmp_path / "new" / "out").stat().st_mode) == 0o700


def test_a_folder_with_something_else_is_left_alone(warehouse, task_audit, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine", encoding="utf-8")
    refused = task_audit("export", "--out", other)

    assert refused.exit_code == 2
    assert reported_error(refused).startswith(f"{other} is not empty, and holds no export.")
    assert [path.name for path in other.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"format": "other", "format_version": 1}', b"\xff", b'{"a": 1}']
)
def test_a_manifest_of_something_else_is_left_alone(warehouse, task_audit, tmp_path, content):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.json").write_bytes(content)
    refused = task_audit("export", "--out", tmp_path / "out")

    assert (refused.exit_code, "[export-place-taken]" in refused.stderr) == (2, True)
    assert (tmp_path / "out" / "manifest.json").read_bytes() == content


def test_the_export_of_another_warehouse_is_left_alone(warehouse, task_audit, tmp_path):
    assert task_audit("export", "--out", tmp_path / "out").exit_code == 0
    before = (tmp_path / "out" / "manifest.json").read_bytes()
    warehouse("second")
    refused = task_audit("export", "--out", tmp_path / "out", "--full")

    assert (refused.exit_code, "[export-other-warehouse]" in refused.stderr) == (2, True)
    assert (tmp_path / "out" / "manifest.json").read_bytes() == before


def test_a_warehouse_that_has_moved_is_the_same(warehouse, task_audit, tmp_path, configure):
    assert task_audit("export", "--out", tmp_path / "out").exit_code == 0
    (tmp_path / "first.sqlite").rename(tmp_path / "moved.sqlite")
    configure(warehouse__url=f"sqlite:///{tmp_path}/moved.sqlite")

    assert task_audit("export", "--out", tmp_path / "out").exit_code == 0
    assert manifest_of(tmp_path / "out")["source"]["address"].endswith("/moved.sqlite")


def test_a_newer_format_is_left_alone_and_new_keys_are_not(warehouse, task_audit, tmp_path):
    assert task_audit("export", "--out", tmp_path / "out").exit_code == 0
    file = tmp_path / "out" / "manifest.json"
    manifest = json.loads(file.read_bytes())
    file.write_text(json.dumps(manifest | {"format_version": 2}), encoding="utf-8")
    refused = task_audit("export", "--out", tmp_path / "out")
    assert (refused.exit_code, "[export-newer]" in refused.stderr) == (78, True)

    file.write_text(json.dumps(manifest | {"a_new_key": 1}), encoding="utf-8")
    assert task_audit("export", "--out", tmp_path / "out").exit_code == 0


def test_a_full_disk_leaves_the_export_before(warehouse, task_audit, tmp_path):
    assert task_audit("export", "--out", tmp_path / "out").exit_code == 0
    files = {path for path in (tmp_path / "out").rglob("*") if path.is_file()}
    # SQLite needs 32 KiB beside its file, and the calendar more for its file.
    with a_full_disk(40_000):
        stopped = task_audit("export", "--out", tmp_path / "out", "--full")

    assert (stopped.exit_code, "[export-unavailable]" in stopped.stderr) == (69, True)
    assert reported_error(stopped).startswith(f"Cannot write to the export {tmp_path / 'out'}: File too large.")
    checked(tmp_path / "out")
    left = {path for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert files < left
    assert not [path for path in left if path.suffix == ".unfinished"]


def test_a_link_in_place_of_a_folder_is_not_followed(warehouse, task_audit, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    assert task_audit("export", "--out", tmp_path / "out").exit_code == 0
    facts = tmp_path / "out" / "fact_task_status"
    facts.rename(tmp_path / "moved")
    facts.symlink_to(tmp_path / "elsewhere")
    refused = task_audit("export", "--out", tmp_path / "out", "--full")

    assert (refused.exit_code, list((tmp_path / "elsewhere").iterdir())) == (69, [])


def test_the_command_line_is_checked(warehouse, task_audit, tmp_path):
    for arguments in (
        ["--out", ""],
        ["--out", "s3:///no-bucket"],
        ["--out", "gs://bucket"],
        ["--out", tmp_path / "out", "--table", "pending_task"],
        ["--out", tmp_path / "out", "--since", "2026-11-02", "--until", "2026-11-01"],
        [],
    ):
        assert task_audit("export", *arguments).exit_code == 2, arguments
    assert not (tmp_path / "out").exists()


def test_the_later_of_two_exports_at_a_time_changes_nothing(warehouse, task_audit, tmp_path, monkeypatch):
    from etl.export.place import FolderPlace

    out, read = tmp_path / "out", FolderPlace.files

    def files_and_another_export(place):
        found = read(place)
        monkeypatch.setattr(FolderPlace, "files", read)
        assert task_audit("export", "--out", out).exit_code == 0
        return found

    monkeypatch.setattr(FolderPlace, "files", files_and_another_export)
    overtaken = task_audit("export", "--out", out)

    assert (overtaken.exit_code, "[export-overtaken]" in overtaken.stderr) == (75, True)
    checked(out)


def test_files_that_cannot_be_deleted_end_no_export(warehouse, task_audit, tmp_path, monkeypatch):
    """The files of exports that were killed long ago go, and those of others stay."""
    assert task_audit("export", "--out", tmp_path / "out").exit_code == 0
    old = "0190a000-0000-7000-8000-000000000000"
    dead = tmp_path / "out" / "audit_run" / f"{old}-0000.parquet"
    unfinished = tmp_path / "out" / f"manifest-{old}.unfinished"
    other = tmp_path / "out" / "audit_run" / "mine.parquet"
    for file in (dead, unfinished, other):
        file.write_bytes(b"PAR1")
    dead.parent.chmod(0o500)
    if os.geteuid() != 0:
        left = task_audit("export", "--out", tmp_path / "out", "--log-format", "json")
        assert (left.exit_code, '"export_left_files"' in left.stderr) == (0, True)
    dead.parent.chmod(0o700)
    done = task_audit("export", "--out", tmp_path / "out", "--json")

    assert json.loads(done.stdout)["deleted_files"] == 2
    assert [file.exists() for file in (dead, unfinished, other)] == [False, False, True]


def test_names_of_exports_have_their_time_and_no_others_are_theirs():
    name = "fact_task_status/day=2026-11-03/01a22918-9be0-74d0-9ec7-1954e83fc72f-0000.parquet"
    assert f"{written_at(name):%Y-%m-%d}" == "2026-11-29"
    for other in ("manifest.json", f"../{name}", f"X{name[10:]}", name.upper(), f"{name}\n", "a/b/c.parquet", ""):
        assert written_at(other) is None, other
    assert NAME.match("dim_day/01a22918-9be0-74d0-9ec7-1954e83fc72f-0000.unfinished")


@pytest.fixture
def bucket(object_store, configure, tmp_path):
    """A prefix of a bucket, its settings in force, and a function that copies it into a folder."""
    configure(
        export__s3_endpoint=object_store["s3_endpoint"], **{f"export__{key}": value for key, value in KEYS.items()}
    )
    client = client_of(object_store["s3_endpoint"])

    def download(folder):
        for page in client.get_paginator("list_objects_v2").paginate(Bucket="answers", Prefix=tmp_path.name):
            for each in page.get("Contents", ()):
                file = Path(folder, each["Key"].removeprefix(f"{tmp_path.name}/"))
                file.parent.mkdir(parents=True, exist_ok=True)
                client.download_file("answers", each["Key"], str(file))

    return f"s3://answers/{tmp_path.name}", client, download


def test_an_export_into_a_bucket_is_that_into_a_folder(warehouse, bucket, task_audit, tmp_path):
    pytest.importorskip("obstore")
    location, client, download = bucket
    client.put_object(Bucket="answers", Key=f"{tmp_path.name}x/other", Body=b"beside the prefix")
    for _ in range(2):
        done = task_audit("export", "--out", location)
        assert done.exit_code == 0, done.stderr
    assert task_audit("export", "--out", tmp_path / "out").exit_code == 0
    download(tmp_path / "copy")

    assert {n: t.to_dicts() for n, t in checked(tmp_path / "copy").items()} == {
        n: t.to_dicts() for n, t in checked(tmp_path / "out").items()
    }
    old = f"{tmp_path.name}/audit_run/0190a000-0000-7000-8000-000000000000-0000.parquet"
    client.put_object(Bucket="answers", Key=old, Body=b"PAR1")
    assert json.loads(task_audit("export", "--out", f"{location}/", "--json").stdout)["deleted_files"] == 1
    taken = task_audit("export", "--out", f"s3://answers/{tmp_path.name}x")
    assert (taken.exit_code, "[export-place-taken]" in taken.stderr) == (2, True)


def test_the_usual_variables_name_the_store_and_the_key(warehouse, object_store, task_audit, tmp_path, monkeypatch):
    pytest.importorskip("obstore")
    variables = {
        "AWS_ENDPOINT_URL": object_store["s3_endpoint"],
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": KEYS["s3_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": KEYS["s3_secret_access_key"],
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    done = task_audit("export", "--out", f"s3://answers/{tmp_path.name}")

    assert done.exit_code == 0, done.stderr


def test_errors_of_a_store_are_one_line_without_its_keys(warehouse, bucket, task_audit, configure, tmp_path):
    pytest.importorskip("obstore")
    missing = task_audit("export", "--out", "s3://no-such-bucket/x")
    assert missing.exit_code == 69
    assert reported_error(missing).startswith("Cannot read the export s3://no-such-bucket/x: NoSuchBucket: ")
    configure(export__s3_endpoint="http://127.0.0.1:9")
    unreachable = task_audit("export", "--out", bucket[0])
    assert unreachable.exit_code == 69
    assert "CANARY" not in reported_error(unreachable)


def test_a_store_may_demand_the_bucket_in_the_host(warehouse, bucket, task_audit, configure):
    """The name leads nowhere here, so the error shows which address was asked."""
    pytest.importorskip("obstore")
    configure(export__s3_endpoint="http://localhost:9", export__s3_virtual_host="true")
    asked = task_audit("export", "--out", "s3://answers/night")

    assert asked.exit_code == 69
    assert "http://answers.localhost:9/night/manifest.json" in asked.stderr


def test_no_secret_is_in_a_manifest_or_a_file(postgres_url, audit_on, configure, task_audit, tmp_path):  # noqa: F811
    engine = open_engine(SecretStr(postgres_url), name="the warehouse", create=True)
    audit_on(engine)
    engine.dispose()
    url = postgres_url.replace("postgres:@", "postgres:CANARY-secret@")
    assert "CANARY" in url
    configure(warehouse__url=url, export__s3_secret_access_key="CANARY-other")
    done = task_audit("export", "--out", tmp_path / "out")

    assert done.exit_code == 0, done.stderr
    assert "CANARY" not in done.stdout + done.stderr
    for file in (tmp_path / "out").rglob("*"):
        assert file.is_dir() or b"CANARY" not in file.read_bytes()
    assert manifest_of(tmp_path / "out")["source"]["address"].startswith("postgresql+psycopg:///test_")

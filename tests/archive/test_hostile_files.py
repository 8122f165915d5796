"""A person who may write to the archive's place cannot change a fact unseen, hold up the job or redirect its writes."""

import os
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from pydantic import SecretStr

from etl.archive.archive import Archive
from etl.archive.rows import archive_rows
from etl.archive.seal import CHECKSUM, Seal
from etl.archive.store import Store, storage_options
from etl.database.connections import open_engine
from etl.errors import ConfigurationError, DamagedArchiveError, UnavailableError
from etl.jobs.replay import Range, replay_archive
from etl.settings.model import ArchiveSettings
from etl.tasks.failure_reasons import FailureReason
from tests.archive.test_store import NOON, failed, seen
from tests.nights import task_ids
from tests.warehouse.conftest import audit_on  # noqa: F401 - a fixture

KEY = "0123456789abcdef0123456789abcdef"
NAME = "2026-11-02/run-1-000001.parquet"


def written(settings):
    """Write one file to an empty archive; returns its store."""
    store = Store(settings)
    Archive(store, run_id="run-1").keep([seen(), failed(FailureReason.NOT_FOUND)])
    assert store.files() == [NAME]
    return store


def change(settings, rows, *, metadata=None, name=NAME):
    """Write other rows into a file, as a person might who may write there."""
    options = storage_options(settings) if settings.location.startswith("s3:") else None
    rows.write_parquet(f"{settings.location}/{name}", metadata=metadata, storage_options=options)


def metadata_of(settings):
    options = storage_options(settings) if settings.location.startswith("s3:") else None
    return pl.read_parquet_metadata(f"{settings.location}/{NAME}", storage_options=options)


def test_other_rows_than_those_of_the_checksum_are_refused(place):
    settings = ArchiveSettings(**place)
    store = written(settings)
    rows = store.read(NAME)
    seal = {key: value for key, value in metadata_of(settings).items() if key.startswith("task-audit")}
    change(settings, rows, metadata=seal)
    assert store.read(NAME).equals(rows)
    assert store.files_without_checksum == 0

    change(settings, rows.with_columns(attempts=pl.col("attempts") + 1), metadata=seal)
    with pytest.raises(DamagedArchiveError, match="does not have the content that its checksum was made of"):
        store.read(NAME)


def test_the_checksum_of_a_row_stays_the_same_in_later_versions():
    """Files outlive the versions of this program, of polars and of Parquet that wrote them."""
    rows = archive_rows([seen()], run_id="run-1")
    assert Seal(None).make(NAME, rows) == {CHECKSUM: "142d9cf188a734b5faaabe1775b00e7bfbfc73b09cc36c84bf7f47b563fcba73"}


def test_with_a_key_only_the_jobs_own_files_are_read(place):
    plain, signed = ArchiveSettings(**place), ArchiveSettings(**place, hmac_key=KEY)
    rows = written(plain).read(NAME)
    refused = pytest.raises(DamagedArchiveError, match=r"was not written under this name with archive\.hmac_key")
    with refused:
        Store(signed).read(NAME)

    store = written(signed)
    assert store.read(NAME).equals(rows)
    assert Store(plain).read(NAME).equals(rows)
    with refused:
        Store(ArchiveSettings(**place, hmac_key=KEY[::-1])).read(NAME)
    other = NAME.replace("run-1", "run-2")
    change(signed, rows, metadata=metadata_of(signed), name=other)
    with refused:
        store.read(other)


def test_the_key_comes_from_a_file_and_is_long(tmp_path):
    settings = ArchiveSettings(location=str(tmp_path / "archive"), hmac_key_file=tmp_path / "key")
    (tmp_path / "key").write_text("CANARY-short\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="fewer than 32 characters") as raised:
        Store(settings)
    assert "CANARY" not in str(raised.value)
    (tmp_path / "key").write_text(f"{KEY}\n", encoding="utf-8")
    written(settings)
    assert Store(ArchiveSettings(location=settings.location, hmac_key=KEY)).read(NAME).height == 2


def test_a_file_of_an_older_version_is_replayed_and_the_log_says_so(night_of, tmp_path, configure):
    configure(archive__location=tmp_path / "archive")
    with night_of() as night:
        night.enqueue(*task_ids(3))
        assert night.run("run").exit_code == 0
        (file,) = (tmp_path / "archive").rglob("*.parquet")
        assert "replayed_without_checksum" not in night.run("replay").stderr
        pl.read_parquet(file).write_parquet(file)

        ended = night.run("replay")

        assert ended.exit_code == 0
        assert "replayed_without_checksum" in ended.stderr


def test_a_file_is_for_its_owner_only_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        written(ArchiveSettings(location=str(tmp_path / "archive")))
    finally:
        os.umask(before)
    file = tmp_path / "archive" / NAME
    modes = [oct(each.stat().st_mode & 0o777) for each in (tmp_path / "archive", file.parent, file)]
    assert modes == ["0o700", "0o700", "0o600"]


def test_a_file_that_is_missing_goes_unnoticed(tmp_path):
    """The documents say so: no seal covers more than its own file."""
    store = Store(ArchiveSettings(location=str(tmp_path / "archive"), hmac_key=KEY))
    archive = Archive(store, run_id="run-1")
    archive.keep([seen()])
    archive.keep([seen("6")])
    first, second = store.files()
    (tmp_path / "archive" / first).unlink()
    assert [store.read(name)["task_id"].to_list() for name in store.files()] == [["6"]]
    assert store.files() == [second]


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_a_file_that_is_not_regular_is_refused(tmp_path, kind):
    store = written(ArchiveSettings(location=str(tmp_path / "archive")))
    file = tmp_path / "archive" / NAME
    file.rename(tmp_path / "moved")
    {"link": lambda: file.symlink_to(tmp_path / "moved"), "pipe": lambda: os.mkfifo(file), "folder": file.mkdir}[kind]()
    with pytest.raises(DamagedArchiveError, match="is not a regular file"):
        store.read(NAME)


@pytest.mark.parametrize(("day", "is_listed"), [("0000-00-00", False), ("2026-13-45", False), ("9999-12-31", True)])
def test_a_folder_with_an_odd_name_ends_no_replay(tmp_path, day, is_listed):
    settings = ArchiveSettings(location=str(tmp_path))
    store = written(settings)
    (tmp_path / day).mkdir()
    (tmp_path / day / "run-2-000001.parquet").write_bytes(b"no Parquet")
    asked = Range(since=NOON - timedelta(days=1), until=NOON + timedelta(days=1))

    assert len(store.files()) == 1 + is_listed
    assert [name for name in store.files() if asked.may_be_in(name)] == [NAME]


def test_a_link_in_place_of_a_day_is_not_followed(tmp_path):
    settings = ArchiveSettings(location=str(tmp_path / "archive"))
    store = written(settings)
    day = (tmp_path / "archive" / NAME).parent
    day.rename(tmp_path / "elsewhere")
    day.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DamagedArchiveError, match="is not a regular file"):
        store.read(NAME)
    with pytest.raises(UnavailableError, match="Cannot write to the archive"):
        Archive(store, run_id="run-2").keep([seen()])
    assert [file.name for file in (tmp_path / "elsewhere").iterdir()] == ["run-1-000001.parquet"]


def test_a_link_in_place_of_an_unfinished_file_is_not_followed(tmp_path):
    day = tmp_path / "archive" / "2026-11-02"
    day.mkdir(parents=True)
    victim = tmp_path / "victim"
    victim.write_text("untouched", encoding="utf-8")
    (day / "run-1-000001.unfinished").symlink_to(victim)
    archive = Archive(Store(ArchiveSettings(location=str(tmp_path / "archive"))), run_id="run-1")
    with pytest.raises(UnavailableError, match="File exists"):
        archive.keep([seen()])
    assert victim.read_text(encoding="utf-8") == "untouched"


def test_a_panic_of_the_reader_is_damage(tmp_path, monkeypatch):
    store = written(ArchiveSettings(location=str(tmp_path / "archive")))

    def panic(*_arguments, **_keywords):
        raise pl.exceptions.PanicException("a harmless one")

    monkeypatch.setattr(pl, "read_parquet", panic)
    with pytest.raises(DamagedArchiveError, match="cannot be read as Parquet"):
        store.read(NAME)


def test_a_panic_while_the_files_of_a_bucket_are_listed_is_an_error(object_store, monkeypatch):
    def panic(*_arguments, **_keywords):
        raise pl.exceptions.PanicException("a harmless one")

    monkeypatch.setattr(pl, "scan_parquet", panic)
    with pytest.raises(UnavailableError, match="Cannot read the archive s3://answers: a harmless one"):
        Store(ArchiveSettings(**object_store)).files()


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"observed_at": datetime(9998, 1, 1, tzinfo=UTC)}, "2 of 2 rows are of a time that has not come yet"),
        ({"observed_at": NOON + timedelta(hours=1)}, "2 of 2 rows are of a time that has not come yet"),
        ({"run_id": None}, "2 of 2 rows are not as a run writes them"),
        ({"body": None}, "1 of 2 rows are not as a run writes them"),
        ({"reason": "unheard_of"}, "2 of 2 rows are not as a run writes them"),
    ],
)
def test_rows_that_no_run_can_have_written_make_no_fact(tmp_path, audit_on, columns, complaint):  # noqa: F811
    store = Store(ArchiveSettings(location=str(tmp_path / "archive")))
    rows = archive_rows([seen(), failed(FailureReason.NOT_FOUND)], run_id="run-1")
    made = [pl.lit(value, dtype=rows.schema[name]).alias(name) for name, value in columns.items()]
    store.write(NAME, rows.with_columns(made))
    audit = audit_on(open_engine(SecretStr(f"sqlite:///{tmp_path}/w.sqlite"), name="the warehouse", create=True))

    with pytest.raises(DamagedArchiveError, match=complaint):
        replay_archive(store, audit.warehouse, asked=Range(), clock=lambda: NOON)

    assert audit.rows("fact_task_status") == []
    assert [row["outcome"] for row in audit.rows("audit_run")] == ["dead_letters"]
    audit.engine.dispose()

"""A file of the archive exists as a whole or not at all, and errors are one line each."""

import resource
from contextlib import contextmanager
from datetime import UTC, date, datetime

import polars as pl
import pytest

from etl.archive.archive import Archive
from etl.archive.rows import archive_rows
from etl.archive.store import Store, file_name, storage_options
from etl.errors import ConfigurationError, DamagedArchiveError, UnavailableError
from etl.settings.model import ArchiveSettings
from etl.tasks import FetchFailure, Observation, PendingTask, RawAnswer
from etl.tasks.detail import TaskDetail
from etl.tasks.failure_reasons import FailureReason
from tests.certificates import make_authority
from tests.relays import blocking_tls

KEYS = {"s3_access_key_id": "CANARY-key", "s3_secret_access_key": "CANARY-secret", "s3_region": "us-east-1"}
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
BODY = b'{"taskId":"7","status":2,"taskName":"\\u0000 \xe4\xba\xa4"}'


def seen(task_id="7", *, at=NOON, body=BODY):
    return Observation(
        task=PendingTask(task_id=task_id, submitted_at=NOON),
        detail=TaskDetail(task_id=task_id, status=2),
        observed_at=at,
        answer=RawAnswer(body=body, http_status=200, content_type="application/json", trace_id="trace"),
    )


def failed(reason, task_id="8"):
    return FetchFailure(task=PendingTask(task_id=task_id), reason=reason, failed_at=NOON, detail="said")


@contextmanager
def a_full_disk():
    """Limit the size of files, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_the_archive_returns_every_byte_that_was_written(place):
    store = Store(ArchiveSettings(**place))
    Archive(store, run_id="run-1").keep([seen(), failed(FailureReason.NOT_FOUND), failed(FailureReason.TIMEOUT, "9")])

    (name,) = store.files()
    assert name == "2026-11-02/run-1-000001.parquet"
    answer, letter = store.read(name).to_dicts()
    assert (answer["body"], answer["http_status"], answer["trace_id"], answer["run_id"]) == (
        BODY,
        200,
        "trace",
        "run-1",
    )
    assert (answer["queue_submitted_at"], answer["observed_at"], answer["reason"]) == (NOON, NOON, None)
    assert (letter["task_id"], letter["reason"], letter["detail"], letter["body"]) == ("8", "not_found", "said", None)


def test_files_are_listed_in_the_order_of_writing_with_one_for_each_day(place):
    store = Store(ArchiveSettings(**place))
    midnight = datetime(2026, 11, 3, tzinfo=UTC)
    first = Archive(store, run_id="run-1")
    first.keep([seen(at=midnight), seen("6")])
    Archive(store, run_id="run-2").keep([seen()])
    first.keep([seen()])

    assert store.files() == [
        "2026-11-02/run-1-000001.parquet",
        "2026-11-03/run-1-000001.parquet",
        "2026-11-02/run-1-000002.parquet",
        "2026-11-02/run-2-000001.parquet",
    ]


def test_a_full_disk_leaves_no_file_behind(tmp_path):
    store = Store(ArchiveSettings(location=str(tmp_path)))
    archive = Archive(store, run_id="run-1")
    with a_full_disk(), pytest.raises(UnavailableError, match=r"Cannot write to the archive .*File too large"):
        archive.keep([seen()])

    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []
    assert store.files() == []


def test_an_unfinished_file_is_not_listed(tmp_path):
    store = Store(ArchiveSettings(location=str(tmp_path)))
    (tmp_path / "2026-11-02").mkdir()
    (tmp_path / "2026-11-02" / "run-1-000001.unfinished").write_bytes(b"PAR1")
    (tmp_path / "2026-11-02" / "another.parquet").write_bytes(b"PAR1")

    assert store.files() == []


def test_files_of_others_are_not_listed(place):
    store = Store(ArchiveSettings(**place))
    Archive(store, run_id="run-1").keep([seen()])
    pl.DataFrame({"a": [1]}).write_parquet(
        f"{place['location']}/other/own.parquet",
        storage_options=storage_options(ArchiveSettings(**place)),
        mkdir=True,
    )

    assert store.files() == ["2026-11-02/run-1-000001.parquet"]


def test_a_damaged_file_is_named(tmp_path):
    store = Store(ArchiveSettings(location=str(tmp_path)))
    Archive(store, run_id="run-1").keep([seen()])
    (name,) = store.files()
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])

    with pytest.raises(DamagedArchiveError, match=r"run-1-000001\.parquet is damaged"):
        store.read(name)


def test_an_unreachable_location_is_unavailable(tmp_path, object_store):
    (tmp_path / "file").write_text("", encoding="utf-8")
    rows = archive_rows([seen()], run_id="run-1")
    name = file_name(date(2026, 11, 2), "run-1", number=1)
    for place in (
        {"location": str(tmp_path / "file")},
        {**object_store, "location": "s3://no-such-bucket"},
    ):
        store = Store(ArchiveSettings(**place))
        with pytest.raises(UnavailableError, match="Cannot write to the archive") as caught:
            store.write(name, rows)
        with pytest.raises(UnavailableError, match="Cannot read the archive"):
            store.files()
        assert "CANARY" not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_store_that_is_down_is_unavailable(object_store):
    store = Store(ArchiveSettings(**{**object_store, "s3_endpoint": "http://127.0.0.1:9"}))
    with pytest.raises(UnavailableError, match="Cannot read the archive") as caught:
        store.files()
    assert "CANARY" not in str(caught.value)


def test_the_secret_comes_from_a_file(object_store, tmp_path):
    settings = {**object_store, "location": f"s3://answers/{tmp_path.name}", "s3_secret_access_key": None}
    with pytest.raises(ConfigurationError, match=r"archive\.s3_secret_access_key_file"):
        Store(ArchiveSettings(**settings, s3_secret_access_key_file=tmp_path / "secret"))

    (tmp_path / "secret").write_text("CANARY-secret\n", encoding="utf-8")
    store = Store(ArchiveSettings(**settings, s3_secret_access_key_file=tmp_path / "secret"))
    Archive(store, run_id="run-1").keep([seen()])
    assert len(store.files()) == 1


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"location": "gs://bucket"}, "neither a folder nor a bucket"),
        ({"location": "s3://bucket/*"}, "wildcard"),
        ({"location": "folder", "s3_region": "r"}, "only if location is a bucket"),
        ({"location": "s3://bucket", "s3_endpoint": "http://store.example"}, "https"),
        (
            {"location": "s3://bucket", "s3_secret_access_key": "a", "s3_secret_access_key_file": "b"},
            "both set",
        ),
    ],
)
def test_contradictory_settings_are_rejected(settings, complaint):
    with pytest.raises(ValueError, match=complaint):
        ArchiveSettings(**settings)


def test_a_bucket_on_this_machine_needs_no_proxy(object_store, monkeypatch):
    """Polars would read the variable by itself; the port of the proxy is closed."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert Store(ArchiveSettings(**object_store)).may_be_listed()


def test_a_dead_proxy_of_a_bucket_is_named_without_its_password(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://job:CANARY-pw@127.0.0.1:9")
    settings = ArchiveSettings(location="s3://answers", s3_endpoint="https://obs.example", **KEYS)
    with pytest.raises(UnavailableError, match=r"refused.* \(through the proxy http://127\.0\.0\.1:9\)") as raised:
        Store(settings).may_be_listed()
    assert "CANARY-pw" not in str(raised.value)


def test_an_untrusted_certificate_of_a_bucket_is_named(tmp_path):
    context = make_authority(tmp_path / "authority").server_context("obs.example")
    with blocking_tls(context, b"") as port:
        settings = ArchiveSettings(location="s3://answers", s3_endpoint=f"https://127.0.0.1:{port}", **KEYS)
        with pytest.raises(UnavailableError, match="invalid peer certificate") as raised:
            Store(settings).may_be_listed()
    assert "SSL_CERT_FILE" in raised.value.remedy

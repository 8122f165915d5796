"""What `doctor` says about the bucket of the archive."""

from etl.exit_codes import ExitCode


def test_the_bucket_of_the_archive(night_of, object_store, configure):
    with night_of() as night:
        configure(**{f"archive__{name}": value for name, value in object_store.items()})
        assert "ok       archive: s3://answers answers, and the key may list it." in night.run("doctor").stdout
        configure(archive__location="s3://nowhere")
        result = night.run("doctor")
        assert "failure  archive: Cannot read the archive s3://nowhere: NoSuchBucket" in result.stdout
        assert result.exit_code == ExitCode.UNAVAILABLE

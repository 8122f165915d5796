"""The address and settings of the bucket that holds the archive, for those who do not open it: that takes polars."""

from etl.settings.model import ArchiveSettings
from etl.storage.bucket import BUCKET, BucketSettings


def bucket_address(settings: ArchiveSettings) -> str | None:
    """Return the address of the store that holds the bucket; None if the archive is a folder or not configured."""
    return bucket_settings(settings).address if (settings.location or "").startswith(BUCKET) else None


def bucket_settings(settings: ArchiveSettings) -> BucketSettings:
    """Return the way to the bucket of an archive."""
    return BucketSettings.of("archive", settings)

"""The settings of exports to a bucket; the command line names the bucket."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from etl.settings.checks import require_at_most_one
from etl.settings.section import Section
from etl.settings.types import BaseUrl, Secret


class ExportSettings(Section):
    """The store of exports to a bucket (`task-audit export --out s3://bucket/folder`)."""

    s3_endpoint: BaseUrl | None = Field(default=None, examples=["https://obs.cn-north-4.myhuaweicloud.com"])
    """The address of a store other than AWS: https, or http on this machine only. Without it the variable
    AWS_ENDPOINT_URL applies."""
    s3_region: str | None = Field(default=None, examples=["cn-north-4"])
    """The region of the store. Without it the variable AWS_REGION applies."""
    s3_virtual_host: bool = False
    """Whether the bucket is a part of the host (https://bucket.obs...) instead of the path, as some stores demand."""
    s3_access_key_id: str | None = Field(default=None, examples=[""])
    """The access key. Without it the job uses AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the machine's role."""
    s3_secret_access_key: Secret | None = Field(default=None, examples=[""])
    """The secret of the access key. A file is safer."""
    s3_secret_access_key_file: Path | None = Field(
        default=None, examples=["/run/secrets/task-audit/export_s3_secret_access_key"]
    )
    """A file that holds the secret of the access key."""

    @model_validator(mode="after")
    def _one_place_for_the_secret(self) -> Self:
        require_at_most_one(self, "s3_secret_access_key", "s3_secret_access_key_file")
        return self

"""Empty archives, in a folder and in a bucket."""

import pytest


@pytest.fixture(params=["folder", "bucket"])
def place(request, tmp_path):
    """Return the settings of an empty archive."""
    if request.param == "folder":
        return {"location": str(tmp_path / "archive")}
    store = request.getfixturevalue("object_store")
    return {**store, "location": f"s3://answers/{tmp_path.name}"}

"""A replay reads an archive, so its tests take the archive's object store."""

from tests.archive.conftest import object_store

__all__ = ["object_store"]

"""The outbox is a table of the warehouse, so its tests take the warehouse's fixtures."""

from tests.warehouse.conftest import audit, lasting_warehouse

__all__ = ["audit", "lasting_warehouse"]

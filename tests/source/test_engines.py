"""The engines that can hold the pending table."""

from etl.database.engines import ENGINES
from etl.source.engines import QUEUES


def test_every_engine_that_can_hold_the_pending_table_has_its_statements():
    assert set(QUEUES) == {engine.name for engine in ENGINES if engine.holds_queue}

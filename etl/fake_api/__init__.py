"""The stand-in KooDrive API, for the demo, for trying things and for tests.

It keeps to the documented API, quirks included, refuses what the real one would refuse, and misbehaves to order.
Tasks and faults depend on the seed alone, never on chance.
"""

from etl.fake_api.behaviour import Behaviour
from etl.fake_api.faults import Fault
from etl.fake_api.server import FakeApi, running_in_thread
from etl.fake_api.world import Override, StatusWeights

__all__ = ["Behaviour", "FakeApi", "Fault", "Override", "StatusWeights", "running_in_thread"]

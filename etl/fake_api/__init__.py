"""A stand-in for the KooDrive API, for the demo, for experiments and for tests.

The stand-in follows the documented API and its quirks, refuses what the real API would refuse, and shows faults on
request. Tasks and faults depend on the seed alone, never on chance.
"""

from etl.fake_api.behaviour import Behaviour
from etl.fake_api.faults import Fault
from etl.fake_api.server import FakeApi, running_in_thread
from etl.fake_api.world import Override, StatusWeights

__all__ = ["Behaviour", "FakeApi", "Fault", "Override", "StatusWeights", "running_in_thread"]

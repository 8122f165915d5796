"""All that can be ordered of the stand-in, in one value."""

from dataclasses import dataclass, field

from etl.fake_api.effects import EFFECTS
from etl.fake_api.faults import Fault
from etl.fake_api.world import StatusWeights


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How a stand-in behaves from its start to its end."""

    seed: int = 0
    """Two stand-ins with the same seed describe the same tasks and fail alike."""
    weights: StatusWeights = field(default_factory=StatusWeights)
    progress: bool = False
    """Let a NEW or EXECUTING task go on by one status with every ask."""
    task_ids: tuple[str, ...] = ()
    """The tasks that the list endpoint shows. The detail endpoint knows every valid ID."""
    rate: int | None = None
    """Requests accepted in any one second; the excess is answered with 429."""
    latency_seconds: float = 0.0
    latency_jitter_seconds: float = 0.0
    """Up to so much more latency, decided by seed, task and ask."""
    token: str | None = None
    """The whole ``Authorization`` value to accept."""
    app_id: str | None = None
    app_secret: str | None = None
    """Accept signatures of this app. Without a token and an app any ``Authorization`` is accepted."""
    faults: tuple[Fault, ...] = ()
    """Of several faults that strike one ask, the first is shown."""

    def __post_init__(self) -> None:
        if (self.app_id is None) != (self.app_secret is None):
            raise ValueError("An app needs both an ID and a secret.")
        if unknown := {fault.name for fault in self.faults}.difference(EFFECTS):
            raise ValueError(f"There is no fault {', '.join(sorted(unknown))}.")

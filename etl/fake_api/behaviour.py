"""All that can be ordered of the stand-in, in one value."""

from dataclasses import dataclass, field

from etl.fake_api.effects import EFFECTS
from etl.fake_api.faults import Fault
from etl.fake_api.world import StatusWeights

CLOUD_CREDENTIALS_URL = "http://169.254.169.254/latest/"
"""Where a machine in a cloud finds its own credentials, and where no redirect may lead a client."""


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
    silent_limit: bool = False
    """Leave the limit out of such a 429."""
    retry_after: int | None = None
    """The seconds that such a 429 says in ``Retry-After``."""
    outages: tuple[tuple[float, float], ...] = ()
    """From which to which second after the first request every answer is a 503."""
    flap: tuple[float, float] | None = None
    """Be up for so many seconds and then down for so many, for ever, from the first request on."""
    latency_seconds: float = 0.0
    latency_jitter_seconds: float = 0.0
    """Up to so much more latency, decided by seed, task and ask."""
    clock_offset_seconds: float = 0.0
    """How far the stand-in's clock, by which it judges ``X-Date``, is ahead; behind where it is negative."""
    token: str | None = None
    """The whole ``Authorization`` value to accept."""
    app_id: str | None = None
    app_secret: str | None = None
    """Accept signatures of this app. Without a token and an app any ``Authorization`` is accepted."""
    token_uses: int | None = None
    """After so many admitted requests a token has expired and must be renewed."""
    session_id: str | None = None
    """Renew the token for who knows this, by the call of the normal edition."""
    refresh_token: str | None = None
    """Renew the token for who knows this, by the call of the carrier edition."""
    faults: tuple[Fault, ...] = ()
    """Of several faults that strike one ask, the first is shown."""
    redirect_to: str = CLOUD_CREDENTIALS_URL
    """Where the fault ``redirect`` leads."""

    @property
    def has_sessions(self) -> bool:
        """Whether a token may expire or be renewed."""
        return self.token_uses is not None or bool(self.session_id or self.refresh_token)

    def __post_init__(self) -> None:
        if (self.app_id is None) != (self.app_secret is None):
            raise ValueError("An app needs both an ID and a secret.")
        if any(not 0 <= start < end for start, end in self.outages):
            raise ValueError("An outage must end after it began.")
        if self.flap is not None and not (self.flap[0] >= 0 and self.flap[1] > 0):
            raise ValueError("A flapping stand-in must be down for some time.")
        if unknown := {fault.name for fault in self.faults}.difference(EFFECTS):
            raise ValueError(f"There is no fault {', '.join(sorted(unknown))}.")

"""The configuration of a stand-in, in one value."""

from dataclasses import dataclass, field

from etl.fake_api.effects import FOREIGN_PAGES, is_fault
from etl.fake_api.faults import Fault
from etl.fake_api.world import StatusWeights

CLOUD_CREDENTIALS_URL = "http://169.254.169.254/latest/"
"""Serves a cloud machine its own credentials; a client must not follow a redirect to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How a stand-in behaves."""

    seed: int = 0
    """Two stand-ins with the same seed describe the same tasks and show the same faults."""
    weights: StatusWeights = field(default_factory=StatusWeights)
    progress: bool = False
    """A NEW or EXECUTING task advances by one status with every request."""
    task_ids: tuple[str, ...] = ()
    """The tasks on the list. The detail endpoint knows every valid ID."""
    rate: int | None = None
    """Requests accepted in any one second; any more get a 429."""
    silent_limit: bool = False
    """The 429 does not name the limit."""
    retry_after: int | None = None
    """Seconds in the ``Retry-After`` header of the 429."""
    outages: tuple[tuple[float, float], ...] = ()
    """Start and end in seconds after the first request; every response between them is ``outage_page``."""
    flap: tuple[float, float] | None = None
    """Seconds up and seconds down, in turn and without end, from the first request on."""
    outage_page: str = "html_503"
    """The page of another server that stands in for every response while the stand-in is down."""
    latency_seconds: float = 0.0
    latency_jitter_seconds: float = 0.0
    """More latency, at most; the seed, the task and the number of the request decide how much."""
    clock_offset_seconds: float = 0.0
    """Seconds that the clock which checks ``X-Date`` is ahead; a negative value is behind."""
    token: str | None = None
    """The accepted ``Authorization`` header."""
    app_id: str | None = None
    app_secret: str | None = None
    """Signatures of this app are accepted. Without a token and an app, any ``Authorization`` is accepted."""
    token_uses: int | None = None
    """Requests that a token is good for; then it has expired and must be renewed."""
    session_id: str | None = None
    """Renews the token through the call of the normal edition."""
    refresh_token: str | None = None
    """Renews the token through the call of the carrier edition."""
    faults: tuple[Fault, ...] = ()
    """If several faults strike one request, the stand-in shows the first."""
    redirect_to: str = CLOUD_CREDENTIALS_URL
    """The target of the fault ``redirect``."""

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
        if self.outage_page not in FOREIGN_PAGES:
            raise ValueError(f"There is no page {self.outage_page}.")
        if unknown := {fault.name for fault in self.faults if not is_fault(fault.name)}:
            raise ValueError(f"There is no fault {', '.join(sorted(unknown))}.")

"""What all parts of one run work with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etl.database.clock import Clock
from etl.observe.trace import Trace
from etl.redaction import Secrets
from etl.run.database_retry import DatabaseRetry
from etl.run.limits import Limits
from etl.runs import AuditRun
from etl.shutdown import Shutdown
from etl.source import Source
from etl.warehouse import Loader
from etl.warehouse.load.batch import Within

if TYPE_CHECKING:
    from etl.archive.archive import Archive

Announce = Callable[[AuditRun], Within]
"""Takes the row of a finished run, and returns what is written in one transaction with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """The databases, bounds and instruments of one run."""

    source: Source
    warehouse: Loader
    shares_database: bool
    """Whether source and warehouse are one database, so that one transaction spans both."""
    retry: DatabaseRetry
    limits: Limits
    shutdown: Shutdown
    clock: Clock
    renew_clock: Callable[[], None] = lambda: None
    """Reads the time of the pending database again."""
    trace: Trace = field(default_factory=Trace)
    archive: "Archive | None" = None
    """The archive of responses, if the run has one."""
    secrets: Secrets = field(default_factory=Secrets)
    """Values that no response may bring into a fact."""
    announce: Announce | None = None
    """Makes what is written with the row of the finished run."""

"""What happens in one night: a value that is drawn from a seed, and that can be made smaller."""

import random
from dataclasses import dataclass

FIRST_ID = 1534087020903704704
BEGINNING = 1000.0
"""The virtual second at which every night begins."""

STORM_SECONDS = 90.0
"""The part of a night in which faults strike."""

EPISODES = (
    "refused",
    "server_error",
    "unavailable",
    "stall",
    "slow",
    "html",
    "redirect",
    "foreign_403",
    "wrong_task",
    "cut",
    "drift",
    "expiry",
    "throttled",
)
"""What may happen to requests for a while."""

CURSES = ("not_found", "forbidden", "malformed", "server_error", "stall", "html", "wrong_task", "refused")
"""What may happen to each request about one task."""

DATABASE_FAULTS = (
    "deadlock",
    "lost before commit",
    "lost after commit",
    "read-only",
    "full disk",
    "full disk at commit",
    "locked",
    "down",
    "slow",
)

OPERATIONS = ("stop", "retry", "discard", "enqueue", "prune", "kill")
"""What people do meanwhile."""


@dataclass(frozen=True)
class Start:
    """The start of a worker, so many seconds after the beginning of the night."""

    at: float
    refetch: bool = False
    dies_at: int | None = None
    """The step before which it is killed."""
    freezes_at: int | None = None
    freeze_seconds: float = 0.0


@dataclass(frozen=True)
class Episode:
    """A while in which a share of all requests meets a fault."""

    kind: str
    begins_at: float
    ends_at: float
    share: float


@dataclass(frozen=True)
class DatabaseFault:
    """A fault of a database from an instant on, until it has struck so often or a while is over."""

    kind: str
    database: str
    at: float
    times: int
    seconds: float = 60.0


@dataclass(frozen=True)
class ClockStep:
    """A step of the clock that the job reads, or of KooDrive's clock."""

    at: float
    seconds: float
    of_api: bool = False


@dataclass(frozen=True)
class Operation:
    """Something that a person does."""

    at: float
    kind: str


@dataclass(frozen=True)
class Scenario:
    """One night."""

    seed: int
    tasks: int = 8
    shared: bool = True
    """Whether queue and warehouse are one database."""
    server: bool = True
    """Whether the clock of runs is that of a database server."""
    max_rate: float = 10.0
    concurrency: int = 3
    batch_size: int = 4
    lease_seconds: float = 30.0
    dead_letter_after: int = 3
    recheck_seconds: float = 20.0
    attempts: int = 3
    timeout_seconds: float = 6.0
    patience_seconds: float = 60.0
    hidden_limit: tuple[float, float] | None = None
    names_wait: bool = True
    """Whether KooDrive says how long to wait."""
    drift: float = 0.0
    """The seconds that the job's clock gains in one second."""
    invalid: int = 0
    """The texts in the queue that are no task IDs."""
    curses: tuple[tuple[int, str], ...] = ()
    starts: tuple[Start, ...] = (Start(0.0),)
    episodes: tuple[Episode, ...] = ()
    database_faults: tuple[DatabaseFault, ...] = ()
    clock_steps: tuple[ClockStep, ...] = ()
    operations: tuple[Operation, ...] = ()

    @staticmethod
    def task_id(index):
        return str(FIRST_ID + (index << 23))

    @property
    def has_clock_faults(self):
        return bool(self.clock_steps) or self.drift != 0.0

    @property
    def is_calm(self):
        """Whether nothing goes wrong, so that one run must be enough."""
        faults = self.episodes, self.database_faults, self.clock_steps, self.operations, self.curses
        kills = [start for start in self.starts if start.dies_at or start.freezes_at]
        return not any(faults) and not kills and self.hidden_limit is None and not self.drift


def scenario_of(seed):
    """Draw a night from a seed; most nights have a few faults of a few kinds."""
    chance = random.Random(f"scenario {seed}")
    kinds = {
        each for each in ("api", "curses", "limit", "database", "process", "clock", "people") if _maybe(chance, 0.4)
    }
    workers = chance.choice((1, 1, 1, 1, 2, 2, 3))
    tasks = chance.choice((2, 3, 4, 6, 8)) if _maybe(chance, 0.85) else chance.choice((12, 20))
    return Scenario(
        seed=seed,
        tasks=tasks,
        shared=_maybe(chance, 0.5),
        server=_maybe(chance, 0.6),
        max_rate=chance.choice((4.0, 10.0, 25.0)),
        concurrency=chance.choice((1, 3, 6)),
        batch_size=chance.choice((3, 8, 20)),
        lease_seconds=chance.choice((8.0, 20.0, 45.0)),
        dead_letter_after=chance.choice((1, 2, 3, 5)),
        recheck_seconds=chance.choice((0.0, 5.0, 30.0)),
        attempts=chance.choice((1, 2, 4)),
        timeout_seconds=chance.choice((3.0, 8.0)),
        patience_seconds=chance.choice((20.0, 90.0)),
        hidden_limit=(chance.choice((1.0, 3.0, 8.0)), chance.choice((1.0, 4.0))) if "limit" in kinds else None,
        names_wait=_maybe(chance, 0.6),
        drift=chance.choice((0.0, 0.01, -0.01)) if "clock" in kinds else 0.0,
        invalid=chance.choice((0, 0, 0, 1, 2)),
        curses=_curses(chance, tasks) if "curses" in kinds else (),
        starts=tuple(_start(chance, "process" in kinds) for _ in range(workers)),
        episodes=tuple(_episode(chance) for _ in range(chance.randint(1, 3))) if "api" in kinds else (),
        database_faults=tuple(_database_fault(chance) for _ in range(chance.randint(1, 3)))
        if "database" in kinds
        else (),
        clock_steps=tuple(_clock_step(chance) for _ in range(chance.randint(0, 2))) if "clock" in kinds else (),
        operations=tuple(_operation(chance) for _ in range(chance.randint(1, 3))) if "people" in kinds else (),
    )


def _maybe(chance, share):
    return chance.random() < share


def _curses(chance, tasks):
    return tuple((index, chance.choice(CURSES)) for index in range(tasks) if _maybe(chance, 0.25))


def _start(chance, may_die):
    fate = chance.choice(("", "dies", "freezes")) if may_die else ""
    return Start(
        at=chance.choice((0.0, round(chance.uniform(0, 60), 2))),
        refetch=_maybe(chance, 0.1),
        dies_at=chance.randint(1, 400) if fate == "dies" else None,
        freezes_at=chance.randint(1, 400) if fate == "freezes" else None,
        freeze_seconds=chance.choice((3.0, 15.0, 60.0)),
    )


def _episode(chance):
    begins_at = round(chance.choice((0.0, chance.uniform(0, 20), chance.uniform(0, STORM_SECONDS))), 2)
    ends_at = min(STORM_SECONDS, begins_at + round(chance.choice((2.0, 10.0, 60.0, STORM_SECONDS)), 2))
    return Episode(chance.choice(EPISODES), begins_at, ends_at, chance.choice((0.2, 0.5, 1.0)))


def _database_fault(chance):
    at = round(chance.choice((0.0, chance.uniform(0, 6), chance.uniform(0, 60))), 2)
    times = chance.choice((1, 1, 2, 12, 40))
    kind = chance.choice(DATABASE_FAULTS)
    return DatabaseFault(kind, chance.choice(("queue", "warehouse")), at, times, chance.choice((5.0, 60.0)))


def _clock_step(chance):
    seconds = chance.choice((-3600.0, -600.0, -30.0, 30.0, 90.0, 3600.0, 90_000.0))
    return ClockStep(round(chance.uniform(0, 60), 2), seconds, of_api=_maybe(chance, 0.3))


def _operation(chance):
    at = round(chance.choice((chance.uniform(0, 6), chance.uniform(0, STORM_SECONDS))), 2)
    return Operation(at, chance.choice(OPERATIONS))

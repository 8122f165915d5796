"""What happens in one night: a value that is drawn from a seed, and that can be made smaller."""

import random
from dataclasses import dataclass, replace

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

CALLS = ("claim", "write", "settle", "renew", "lease", "count", "count_others", "write_end", "release")
"""The calls in which the fate of a run may strike."""

OPERATIONS = ("stop", "retry", "discard", "enqueue", "prune", "kill")
"""What people do meanwhile."""


@dataclass(frozen=True)
class Start:
    """The start of a worker, so many seconds after the beginning of the night."""

    at: float
    refetch: bool = False
    fate: str = ""
    """``dies`` or ``freezes``; empty if nothing happens to it."""
    step: int | None = None
    """The step before which its fate strikes; None if it strikes in a call."""
    call: tuple[str, int, bool] | None = None
    """The kind and the number of the call in which it strikes, and whether after the call's effect."""
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
    def are_times_exact(self):
        """Whether the clocks of the job and of its database agree."""
        return not self.has_clock_faults

    @property
    def has_freezes(self):
        return any(start.fate == "freezes" for start in self.starts)

    @property
    def is_without_faults(self):
        """Whether no run dies, stops or meets a fault of another part before the end of its lease."""
        faults = self.episodes, self.curses, self.database_faults, self.operations, self.hidden_limit
        return not any(faults) and not self.has_freezes and self.are_times_exact


def scenario_of(seed):
    """Draw a night from a seed; most nights have a few faults of a few kinds."""
    chance = random.Random(f"scenario {seed}")
    special = chance.random()
    if special < 0.03:
        return _night_of_retries(seed, chance)
    if special < 0.15:
        return _night_of_takeovers(seed, chance)
    if special < 0.17:
        return _night_of_stops(seed, chance)
    kinds = {
        each for each in ("api", "curses", "limit", "database", "process", "clock", "people") if _maybe(chance, 0.4)
    }
    tasks = chance.choice((2, 3, 4, 6, 8)) if _maybe(chance, 0.85) else chance.choice((12, 20))
    scenario = Scenario(
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
    )
    return _with_events(scenario, kinds, chance)


def _with_events(scenario, kinds, chance):
    """Draw what happens in a night, given its kinds of faults."""
    workers = chance.choice((1, 1, 1, 1, 2, 2, 3))

    def some(kind, event, *, least=1, most=3):
        number = chance.randint(least, most) if kind in kinds else 0
        return tuple(event(chance) for _ in range(number))

    return replace(
        scenario,
        starts=tuple(_start(chance, "process" in kinds, scenario.recheck_seconds) for _ in range(workers)),
        episodes=some("api", _episode),
        database_faults=some("database", _database_fault),
        clock_steps=some("clock", _clock_step, least=0, most=2),
        operations=some("people", _operation),
    )


def _night_of_retries(seed, chance):
    """Draw a night in which many tasks fail for a while beside others that are answered."""
    curses = tuple((index, "server_error") for index in range(0, 40, chance.choice((4, 5))))
    return Scenario(seed, tasks=40, batch_size=20, max_rate=25.0, concurrency=6, attempts=4, curses=curses)


def _night_of_takeovers(seed, chance):
    """Draw a night in which a run is frozen for longer than its leases, or its clock set ahead, beside other runs."""
    call = chance.choice(("write", "write", "claim", "renew", "settle", "lease")), chance.choice((1, 1, 2)), False
    is_frozen = _maybe(chance, 0.75)
    first = Start(0.0, fate="freezes", call=call, freeze_seconds=chance.choice((10.0, 15.0, 60.0)))
    others = [Start(round(chance.uniform(0.3, 6), 2)) for _ in range(chance.choice((0, 1, 1, 2)))]
    return Scenario(
        seed,
        tasks=chance.choice((6, 9, 12)),
        shared=_maybe(chance, 0.6),
        server=_maybe(chance, 0.6),
        concurrency=chance.choice((1, 3)),
        batch_size=3,
        lease_seconds=8.0,
        starts=(first if is_frozen else Start(0.0), *others),
        episodes=(Episode("slow", 0.0, STORM_SECONDS, 1.0),) if _maybe(chance, 0.5) else (),
        clock_steps=() if is_frozen else (ClockStep(round(chance.uniform(0.2, 4), 2), chance.choice((30.0, 600.0))),),
    )


def _night_of_stops(seed, chance):
    """Draw a night in which a run is stopped while responses do not come."""
    begins_at = round(chance.uniform(0, 2), 2)
    return Scenario(
        seed,
        shared=_maybe(chance, 0.5),
        concurrency=chance.choice((1, 3, 6)),
        timeout_seconds=chance.choice((8.0, 30.0)),
        episodes=(Episode("stall", begins_at, STORM_SECONDS, chance.choice((0.5, 1.0))),),
        operations=(Operation(round(begins_at + chance.uniform(0, 10), 2), "stop"),),
    )


def _maybe(chance, share):
    return chance.random() < share


def _curses(chance, tasks):
    return tuple((index, chance.choice(CURSES)) for index in range(tasks) if _maybe(chance, 0.25))


def _start(chance, may_be_struck, recheck_seconds):
    # A run that begins when the tasks of an earlier one are about to be due again.
    again = max(0.0, round(recheck_seconds + chance.uniform(-1.0, 2.0), 2))
    start = Start(at=chance.choice((0.0, round(chance.uniform(0, 60), 2), again)), refetch=_maybe(chance, 0.1))
    fate = chance.choice(("", "dies", "freezes")) if may_be_struck else ""
    if not fate:
        return start
    start = replace(start, fate=fate, freeze_seconds=chance.choice((3.0, 15.0, 60.0)))
    if _maybe(chance, 0.5):
        return replace(start, step=chance.randint(1, 400))
    return replace(start, call=(chance.choice(CALLS), chance.choice((1, 1, 2, 3)), _maybe(chance, 0.5)))


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

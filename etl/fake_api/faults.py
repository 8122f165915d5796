"""Decides which fault strikes a request. The package ``effects`` holds what each fault does.

The rate, the seed, the task ID and the number of the request decide, never chance: a test that failed once fails again.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from etl.fake_api.world import draw
from etl.tasks import is_valid_task_id

LIST = "list"
"""Takes the position of a task's ID for requests to the list of tasks."""

FAULT_SYNTAX = re.compile(r"(?P<name>[a-z0-9_]+):(?P<target>[0-9.,]+|list)(?:x(?P<first_asks>[0-9]+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault that strikes some requests."""

    name: str
    """A name in ``effects.EFFECTS``."""
    rate: float = 0.0
    """The share of requests that it strikes; with ``first_asks``, the share of tasks."""
    task_ids: frozenset[str] = frozenset()
    """Tasks that it strikes in addition to the rate; the list may be one of them."""
    first_asks: int | None = None
    """The first requests about a task that it strikes, so that a retry helps; None means all of them."""

    def strikes(self, task_id: str, ask: int, *, seed: int) -> bool:
        """Return whether the fault strikes a request; ``ask`` counts the requests about the task from 1."""
        if self.first_asks is not None and ask > self.first_asks:
            return False
        if task_id in self.task_ids:
            return True
        # The first requests are struck together, so the draw must not depend on the number of the request.
        drawn_ask = "first" if self.first_asks is not None else ask
        return self.rate > 0 and draw(seed, self.name, task_id, drawn_ask) < self.rate


def striking_fault(faults: Sequence[Fault], task_id: str, *, ask: int, seed: int) -> Fault | None:
    """Return the first fault in order that strikes this request."""
    for fault in faults:
        if fault.strikes(task_id, ask, seed=seed):
            return fault
    return None


def parse_fault(text: str, *, known_names: Collection[str]) -> Fault:
    """Read ``NAME:RATE``, ``NAME:ID,ID`` or ``NAME:list``, each with an optional ``xK`` for "the first K requests".

    Raises:
        ValueError: the name is unknown, or the rest is neither a rate from 0 to 1, nor task IDs, nor ``list``.
    """
    name = text.partition(":")[0]
    if name not in known_names:
        raise ValueError(f"There is no fault {name!r}. Known: {', '.join(sorted(known_names))}.")
    syntax = FAULT_SYNTAX.fullmatch(text)
    if syntax is None:
        raise ValueError(f"{text!r} is not NAME:RATE, NAME:ID,ID or either with xK after it.")
    rate, task_ids = _parse_target(text, syntax["target"])
    first_asks = int(syntax["first_asks"]) if syntax["first_asks"] else None
    return Fault(name=name, rate=rate, task_ids=task_ids, first_asks=first_asks)


def _parse_target(text: str, target: str) -> tuple[float, frozenset[str]]:
    """Read a rate or task IDs: a single number from 0 to 1 is a rate."""
    if target == LIST:
        return 0.0, frozenset({LIST})
    if re.fullmatch(r"0(\.[0-9]+)?|1(\.0+)?|\.[0-9]+", target):
        return float(target), frozenset()
    task_ids = frozenset(target.rstrip(",").split(","))
    if not all(map(is_valid_task_id, task_ids)):
        raise ValueError(f"{text!r} has neither a rate from 0 to 1 nor task IDs of 1 to 19 digits.")
    return 0.0, task_ids

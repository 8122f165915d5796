"""Faults to order: which of them strikes a given ask of a given task. What a fault does stands in ``effects``.

Whether a fault strikes depends on its rate, the seed, the task ID and the number of the ask, never on chance, so that a
test that failed once fails again.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from etl.fake_api.world import draw
from etl.tasks import is_valid_task_id

LIST = "list"
"""What stands for the list of tasks where a task's ID would."""

FAULT_SYNTAX = re.compile(r"(?P<name>[a-z0-9_]+):(?P<target>[0-9.,]+|list)(?:x(?P<first_asks>[0-9]+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A misbehaviour to show to some asks."""

    name: str
    """A name in ``effects.EFFECTS``."""
    rate: float = 0.0
    """The share of asks that it strikes, or of tasks where ``first_asks`` is given."""
    task_ids: frozenset[str] = frozenset()
    """The tasks that it strikes, beside those by rate; the list may be among them."""
    first_asks: int | None = None
    """Strike only so many first asks of a task, so that asking again helps; all of them where it is None."""

    def strikes(self, task_id: str, ask: int, *, seed: int) -> bool:
        """Say whether the ask-th request about the task meets this fault."""
        if self.first_asks is not None and ask > self.first_asks:
            return False
        if task_id in self.task_ids:
            return True
        # Where only the first asks are struck they are struck together: the draw must not depend on the ask.
        drawn_ask = "first" if self.first_asks is not None else ask
        return self.rate > 0 and draw(seed, self.name, task_id, drawn_ask) < self.rate


def striking_fault(faults: Sequence[Fault], task_id: str, ask: int, *, seed: int) -> Fault | None:
    """Return the first fault in order that strikes this ask."""
    for fault in faults:
        if fault.strikes(task_id, ask, seed=seed):
            return fault
    return None


def parse_fault(text: str, *, known_names: Collection[str]) -> Fault:
    """Read ``NAME:RATE``, ``NAME:ID,ID`` or ``NAME:list``, each with an optional ``xK`` for "only its first K asks".

    Raises:
        ValueError: the name is unknown or the rest is neither a rate from 0 to 1, nor task IDs, nor ``list``.
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
    """Tell a rate from task IDs: a lone number from 0 to 1 is a rate."""
    if target == LIST:
        return 0.0, frozenset({LIST})
    if re.fullmatch(r"0(\.[0-9]+)?|1(\.0+)?|\.[0-9]+", target):
        return float(target), frozenset()
    task_ids = frozenset(target.rstrip(",").split(","))
    if not all(map(is_valid_task_id, task_ids)):
        raise ValueError(f"{text!r} has neither a rate from 0 to 1 nor task IDs of 1 to 19 digits.")
    return 0.0, task_ids

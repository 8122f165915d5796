"""Puts each small wrong into the program, and counts the nights until the simulation finds it.

``python -m tests.simulation.hunt`` prints the table of docs/simulation.md. The functions of a module get the code of
its wrong text for a while; no file changes.
"""

import argparse
import importlib
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import FunctionType, ModuleType
from unittest.mock import patch

os.environ.setdefault("POLARS_MAX_THREADS", "1")

from tests.simulation.campaign import play_seeds, prepare
from tests.simulation.expressions import forget_expressions
from tests.simulation.mutations import WRONGS
from tests.simulation.night import play
from tests.simulation.scenario import scenario_of
from tests.simulation.shrinking import shrunk
from tests.simulation.story import told


def nights_until_found(number, *, first=0, nights=1_000):
    """Return the number of a wrong, how many nights it took to find it, and what broke; None if nothing did."""
    prepare()
    with put(WRONGS[number - 1]):
        found = play_seeds(range(first, first + nights), stop_at_first=True)
    broken = next(iter(found.broken.values()), None)
    return number, found.nights, broken and broken.partition(":")[0]


def story_of(number, *, first, nights):
    """Return the story of the smallest night that finds a wrong, or of the last night that does not find it."""
    databases = prepare()
    with put(WRONGS[number - 1]):
        for seed in range(first, first + nights):
            played = play(scenario_of(seed), databases)
            if played.broken:
                return told(shrunk(played, databases))
    return told(played)


@contextmanager
def put(wrong):
    """Put a wrong into a module of this process, until the context ends.

    Raises:
        ValueError: the module has changed, and no longer has the right words in one place.
    """
    module = importlib.import_module("etl." + wrong.module.removesuffix(".py").replace("/", "."))
    file = Path(module.__file__)
    source = file.read_text(encoding="utf-8")
    if source.count(wrong.right) != 1:
        raise ValueError(f"{wrong.module} has {source.count(wrong.right)} places for: {wrong.says}")
    changed = ModuleType(module.__name__)
    changed.__dict__.update(__file__=str(file), __package__=module.__package__)
    exec(compile(source.replace(wrong.right, wrong.wrong), file, "exec"), changed.__dict__)  # noqa: S102 - our own text
    with ExitStack() as undo:
        undo.callback(forget_expressions)
        _graft(vars(module), vars(changed), module.__name__, undo)
        forget_expressions()
        yield


def _graft(old, new, module, undo):
    """Give functions their new code and constants their new values, wherever other modules hold them."""
    for name, value in new.items():
        before = old.get(name)
        if isinstance(value, int | float) and isinstance(old, dict):
            undo.enter_context(patch.dict(old, {name: value}))
        elif isinstance(value, type) and value.__module__ == module:
            _graft(vars(before), vars(value), module, undo)
        elif isinstance(value, FunctionType | property) and before is not None:
            for mine, theirs in zip(_functions_of(before), _functions_of(value), strict=True):
                if theirs.__module__ == module:
                    undo.callback(setattr, mine, "__code__", mine.__code__)
                    mine.__code__ = theirs.__code__


def _functions_of(value):
    if isinstance(value, property):
        return [value.fget]
    return [getattr(value, "__wrapped__", value)]


def main():
    parser = argparse.ArgumentParser(description="Count the nights until each small wrong is found.")
    parser.add_argument("--nights", type=int, default=1_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--only", type=int, nargs="*", help="the numbers of some wrongs")
    parser.add_argument("--story", action="store_true", help="tell the smallest night that finds each of --only")
    options = parser.parse_args()
    if options.story:
        for number in options.only:
            print(story_of(number, first=options.first, nights=options.nights))
        return 0
    numbers = options.only or range(1, len(WRONGS) + 1)
    print("| # | wrong | module | nights | the invariant that broke |\n|--:|---|---|--:|---|", flush=True)
    missed = 0
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        hunt = partial(nights_until_found, first=options.first, nights=options.nights)
        for number, nights, broken in pool.map(hunt, numbers):
            wrong = WRONGS[number - 1]
            missed += broken is None
            found = f"{nights} | {broken}" if broken else f"not in {nights} | "
            print(f"| {number} | {wrong.says} | `{wrong.module}` | {found} |", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

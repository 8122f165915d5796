"""Makes a broken night smaller, as long as the same invariant breaks."""

from dataclasses import fields, replace

from tests.simulation.night import play
from tests.simulation.scenario import Start

MAX_NIGHTS = 200
"""The nights that are played to make one smaller, at most."""

SIMPLE = {"tasks": (1, 2, 3, 6), "concurrency": (1,), "invalid": (0,), "drift": (0.0,), "hidden_limit": (None,)}
"""Simpler values, the simplest first."""


def shrunk(played, databases):
    """Return the smallest night that was found, with its story."""
    left = MAX_NIGHTS
    while True:
        for smaller in _smaller(played.scenario):
            left -= 1
            again = play(smaller, databases)
            if again.broken and invariant_of(again) == invariant_of(played):
                played = again
                break
            if left <= 0:
                return played
        else:
            return played


def invariant_of(played):
    return played.broken.partition(":")[0]


def _smaller(scenario):
    """Yield scenarios that lack one event, and then scenarios with a simpler value."""
    for each in fields(scenario):
        values = getattr(scenario, each.name)
        if isinstance(values, tuple) and each.name != "hidden_limit":
            least = 1 if each.name == "starts" else 0
            for index in range(len(values) if len(values) > least else 0):
                yield replace(scenario, **{each.name: values[:index] + values[index + 1 :]})
    for index, start in enumerate(scenario.starts):
        if start.fate:
            rest = scenario.starts[index + 1 :]
            yield replace(scenario, starts=(*scenario.starts[:index], Start(start.at, start.refetch), *rest))
    for name, simple in SIMPLE.items():
        for value in simple:
            if value == getattr(scenario, name):
                break
            yield replace(scenario, **{name: value})

"""What each fault does, by theme. A new fault is one small function with a name in its theme's table."""

from collections.abc import Mapping

from etl.fake_api.effects.bodies import BODIES
from etl.fake_api.effects.connections import CONNECTIONS
from etl.fake_api.effects.drift import DRIFT
from etl.fake_api.effects.effect import NO_STATUS, Effect, StruckRequest
from etl.fake_api.effects.foreign import FOREIGN_PAGES, foreign_page
from etl.fake_api.effects.pages import PAGES
from etl.fake_api.effects.statuses import STATUSES
from etl.fake_api.effects.throttling import THROTTLING

__all__ = [
    "EFFECTS",
    "FOREIGN_PAGES",
    "NO_STATUS",
    "PAGES",
    "THEMES",
    "Effect",
    "StruckRequest",
    "effect_of",
    "foreign_page",
    "is_fault",
    "strikes_pages",
]

THEMES = (STATUSES, THROTTLING, BODIES, CONNECTIONS, DRIFT, PAGES)

DETAIL_FAULTS = frozenset({*DRIFT, "duplicate_keys"})
"""Faults in fields that only the detail of a task has."""

EFFECTS: Mapping[str, Effect] = {name: effect for theme in THEMES for name, effect in theme.items()}
"""Every fault by its name, apart from the pages of other servers."""


def is_fault(name: str) -> bool:
    """Return whether there is a fault of this name."""
    return name in EFFECTS or name in FOREIGN_PAGES


def effect_of(name: str) -> Effect:
    """Return what a fault does."""
    return EFFECTS.get(name) or FOREIGN_PAGES[name]


def strikes_pages(name: str) -> bool:
    """Return whether a fault can strike the list."""
    return name not in DETAIL_FAULTS

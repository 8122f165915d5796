"""What each fault does, by theme. To add one, write one small function and give it a name in its theme's table."""

from collections.abc import Mapping

from etl.fake_api.effects.ask import NO_STATUS, Ask, Effect
from etl.fake_api.effects.bodies import BODIES
from etl.fake_api.effects.connections import CONNECTIONS
from etl.fake_api.effects.drift import DRIFT
from etl.fake_api.effects.pages import PAGES
from etl.fake_api.effects.statuses import STATUSES
from etl.fake_api.effects.throttling import THROTTLING

__all__ = ["EFFECTS", "NO_STATUS", "PAGES", "THEMES", "Ask", "Effect", "strikes_pages"]

THEMES = (STATUSES, THROTTLING, BODIES, CONNECTIONS, DRIFT, PAGES)

OF_A_DETAIL = frozenset({*DRIFT, "duplicate_keys"})
"""Faults that change fields which only the detail of a task has."""

EFFECTS: Mapping[str, Effect] = {name: effect for theme in THEMES for name, effect in theme.items()}
"""Every fault that can be ordered, by the name it is ordered by."""


def strikes_pages(name: str) -> bool:
    """Say whether a fault can strike the list."""
    return name not in OF_A_DETAIL

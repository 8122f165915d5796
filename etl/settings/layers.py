"""The sources of the configuration, one above the other: which one sets a key, and what the key is called there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Tree = dict[str, Any]
"""The values of a source, by section and key."""


@dataclass(frozen=True, slots=True)
class Layer:
    """The values from one source, and how the source names a key."""

    values: Tree = field(repr=False)
    """The values as written, with the secrets."""
    pattern: str
    """The name of a key there, with the fields {section} and {key}."""
    place: str
    """The source as a whole, such as the path of the file."""

    def name(self, section: str, key: str) -> str:
        """Return the name of a key as the user wrote it."""
        name = self.pattern.format(section=section, key=key, SECTION=section.upper(), KEY=key.upper())
        # Without a key, the pattern leaves two spaces.
        return name.replace("]  in", "] in")

    def holds(self, section: str, key: str) -> bool:
        """Return whether this source sets the key."""
        values = self.values.get(section)
        return (isinstance(values, Mapping) and key in values) or (values is not None and not key)


def merge(layers: Sequence[Layer]) -> Tree:
    """Return the values of all layers; a later layer overrides an earlier one."""
    merged: Tree = {}
    for layer in layers:
        for section, values in layer.values.items():
            if isinstance(values, Mapping):
                merged[section] = {**merged.get(section, {}), **values}
            else:
                merged[section] = values
    return merged


def layer_of(layers: Sequence[Layer], *, section: str, key: str) -> Layer | None:
    """Return the layer that sets a key in force; None if its value is the default."""
    return next((layer for layer in reversed(layers) if layer.holds(section, key)), None)


def origin_of(layers: Sequence[Layer], *, section: str, key: str) -> str | None:
    """Return the name of a key in the layer that sets it; None if its value is the default."""
    return layer.name(section, key) if (layer := layer_of(layers, section=section, key=key)) else None


def literal(path: Path) -> str:
    """Escape the braces of a path for ``Layer.pattern``."""
    return str(path).replace("{", "{{").replace("}", "}}")

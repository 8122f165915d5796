"""The stand-in's tasks: each is a function of its ID, the seed and the number of the request.

Only overrides are stored. A million tasks cost no memory, and two stand-ins with one seed agree.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, TypeVar

import msgspec

from etl.tasks.detail import API_FIELDS, TERMINAL_STATUSES, TaskDetail, TaskStatus

T = TypeVar("T")

RESULT_CODES = (
    ("18000205", 0.55),
    ("18000101", 0.20),
    ("18000207", 0.10),
    ("18000306", 0.08),
    ("18000412", 0.05),
    ("18000999", 0.02),
)
"""Result codes of failed tasks and their shares. Only the first is documented; the others are invented."""

TASK_TYPES = ((0, 0.9), (1, 0.1))

TENANT_IDS = (
    "d5ac574bd2934a69baa4f23c55daa8d4",
    "40086000004871666",
    "0b7e1f4a6c2d4e58a9f3d1c07b6e5a42",
    "7f3c9d20be8146c5a1d84e6f90b2c37a",
    "c41e8a95d7f04b3296be05d3a7f8126e",
)

TASK_NAMES = (
    "lym0412normal",
    "ceshi1111",
    "ceshi4",
    "zujian2",
    "handover-2024Q3",
    "离职交接-王芳",
    "张伟的文件移交",
    "批量导入-华东",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusWeights:
    """The proportions of the statuses in a large set of tasks."""

    success: float = 80
    failed: float = 12
    executing: float = 5
    new: float = 3


class StandInTask(TaskDetail, frozen=True, kw_only=True):
    """A task detail in the documented JSON types. A field that is not named here has its documented example."""

    task_id: str
    task_name: str
    task_type: int
    tenant_id: str
    user_id: str
    status: int
    result_code: str | msgspec.UnsetType | None = msgspec.UNSET  # type: ignore[assignment]  # unset is not sent
    response_code: int = msgspec.field(default=0, name="code")
    response_message: str = msgspec.field(default="success", name="msg")


EXAMPLES: dict[str, Any] = {
    field.name: field.example for field in API_FIELDS if field.name not in StandInTask.__annotations__
}


class Override(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The fields of a task that a test replaces; unset fields stay unchanged."""

    task_name: str | msgspec.UnsetType = msgspec.UNSET
    task_type: int | msgspec.UnsetType = msgspec.UNSET
    tenant_id: str | msgspec.UnsetType = msgspec.UNSET
    user_id: str | msgspec.UnsetType = msgspec.UNSET
    status: int | msgspec.UnsetType = msgspec.UNSET
    result_code: str | msgspec.UnsetType | None = msgspec.UNSET


class World:
    """The tasks of a stand-in."""

    def __init__(self, *, seed: int = 0, weights: StatusWeights | None = None, progress: bool = False) -> None:
        weights = weights or StatusWeights()
        self.overrides: dict[str, Override] = {}
        """Replaced fields by task ID; may be changed at any time."""
        self._seed = seed
        self._progress = progress
        self._first_statuses = (
            (TaskStatus.SUCCESS, weights.success),
            (TaskStatus.FAILED, weights.failed),
            (TaskStatus.EXECUTING, weights.executing),
            (TaskStatus.NEW, weights.new),
        )
        self._endings = self._first_statuses[:2] if weights.success or weights.failed else ((TaskStatus.SUCCESS, 1.0),)

    def task(self, task_id: str, ask: int = 1) -> StandInTask:
        """Describe a task; ``ask`` counts the requests about it from 1."""
        status_draw, ending_draw, code_draw, type_draw, name_draw, user_draw = _draws(self._seed, task_id)
        override = self.overrides.get(task_id)
        if override is None or override.status is msgspec.UNSET:
            status = self._status(ask, status_draw=status_draw, ending_draw=ending_draw)
        else:
            status = override.status
        task = StandInTask(
            task_id=task_id,
            task_name=TASK_NAMES[int(name_draw * len(TASK_NAMES))],
            task_type=pick(TASK_TYPES, type_draw),
            tenant_id=TENANT_IDS[int(user_draw * len(TENANT_IDS))],
            user_id=f"139{int(user_draw * 10**16):016}",
            status=status,
            result_code=pick(RESULT_CODES, code_draw) if status == TaskStatus.FAILED else msgspec.UNSET,
            **EXAMPLES,
        )
        return task if override is None else _overridden(task, override)

    def _status(self, ask: int, *, status_draw: float, ending_draw: float) -> int:
        """Draw the first status; with progress, an unfinished task advances by one with every later request."""
        first_status = pick(self._first_statuses, status_draw)
        if not self._progress or first_status in TERMINAL_STATUSES:
            return int(first_status)
        status = first_status + ask - 1
        return status if status <= TaskStatus.EXECUTING else int(pick(self._endings, ending_draw))


def _overridden(task: StandInTask, override: Override) -> StandInTask:
    fields = {name: getattr(override, name) for name in override.__struct_fields__}
    return msgspec.structs.replace(
        task, **{name: value for name, value in fields.items() if value is not msgspec.UNSET}
    )


def _draws(seed: int, task_id: str) -> tuple[float, ...]:
    """Return six numbers in [0, 1) that depend only on the seed and the ID."""
    digest = blake2b(f"{seed}:{task_id}".encode(), digest_size=24).digest()
    return tuple(number / 2**32 for number in struct.unpack(">6I", digest))


def draw(*parts: object) -> float:
    """Return a number in [0, 1) that depends only on the parts."""
    digest = blake2b(":".join(map(str, parts)).encode(), digest_size=4).digest()
    return int.from_bytes(digest) / 2**32


def pick(weighted: Sequence[tuple[T, float]], fraction: float) -> T:
    """Return the option whose share of the weights contains the fraction."""
    left = fraction * sum(weight for _, weight in weighted)
    for option, weight in weighted:
        left -= weight
        if left < 0:
            return option
    return weighted[-1][0]

"""What KooDrive says about a task, and the columns of a fact.

A column is declared once: as a field of ``TaskDetail`` if the API sends it, as an entry of ``CALCULATED`` if the job
calculates it. The parser, the rows of facts, the tables with their comments, the comparison of versions, the check for
drift, lineage and the data dictionary are derived from ``FIELDS``.
"""

from dataclasses import asdict, dataclass
from enum import Enum, IntEnum, auto
from types import NoneType
from typing import Annotated

import msgspec


class TaskStatus(IntEnum):
    """The documented task statuses; a response may carry any other number."""

    NEW = 0
    EXECUTING = 1
    SUCCESS = 2
    FAILED = 3


TERMINAL_STATUSES = frozenset({TaskStatus.SUCCESS, TaskStatus.FAILED})
"""A task with one of these statuses is finished. An unknown status does not finish a task."""

TASK_TYPES = frozenset({0, 1})
"""The documented task types: 0 hands a leaver's files over, 1 imports users from a file."""

MAX_CODE_CHARACTERS = 500
"""The length of a code, at most. A code is a key in the warehouse, and every engine limits the keys of an index."""


MAX_TEXT_CHARACTERS = 4_000
"""The length of a text for people, at most. A longer one is cut, since the task's status matters more than its name."""

MAX_ID_CHARACTERS = 255
"""The length of an ID of a tenant or a user, at most. A part of an ID would be the ID of another."""


class Kind(Enum):
    """The kind of a column, which decides its type in SQL and how its values are normalized."""

    ID = auto()
    """The task's ID, the key of a fact."""
    TEXT = auto()
    """Any text; a long one is cut."""
    CODE = auto()
    """Text that an index holds: a long code is cut, and an empty one counts as absent."""
    NUMBER = auto()
    """A whole number of 64 bits."""
    TIME = auto()
    """An instant in UTC."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the declaration of a column says beside its name."""

    kind: Kind
    meaning: str
    """The comment in the database and the entry in the data dictionary."""
    example: object = None
    """The value that the stand-in sends and the documentation shows."""
    json_types: tuple[type, ...] = ()
    """The documented JSON types. ``NoneType`` also allows the field to be absent."""
    json_values: frozenset[int] | None = None
    """The documented numbers. None: every value of the types."""
    is_content: bool = True
    """Whether a changed value makes a new version of the fact."""
    is_nullable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Field(Declaration):
    """A declared column with its names."""

    name: str
    api_name: str | None
    """The name in the API's response. None: the job calculates the column."""


Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
WholeNumberText = Annotated[str, msgspec.Meta(pattern=r"\A[ \t\r\n]*-?[0-9]{1,18}[ \t\r\n]*\Z")]
WholeNumber = Int64 | WholeNumberText
TextOrNumber = int | str
IdOrNumber = int | Annotated[str, msgspec.Meta(max_length=MAX_ID_CHARACTERS)]


class TaskDetail(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """KooDrive's response to ``GET /koodrive/ose/v1/task/{task_id}``, unchanged.

    The documentation and its examples disagree on which fields are numbers and which are text. The parser takes both,
    and ``normalize`` settles the type. Unknown fields are ignored.
    """

    task_id: Annotated[
        TextOrNumber,
        Declaration(
            Kind.ID,
            "The task's ID at KooDrive, which contains the time of its creation.",
            "1534087020903704704",
            (str,),
            is_content=False,
            is_nullable=False,
        ),
    ]
    task_name: Annotated[
        str | None,
        Declaration(
            Kind.TEXT, "The task's name as KooDrive sent it, or its first 4,000 characters.", "lym0412normal", (str,)
        ),
    ] = None
    task_type: Annotated[
        WholeNumber | None,
        Declaration(
            Kind.NUMBER,
            "The task's type as a number; see dim_task_type. Null: KooDrive sent none.",
            0,
            (int,),
            TASK_TYPES,
        ),
    ] = None
    tenant_id: Annotated[
        IdOrNumber | None,
        Declaration(
            Kind.TEXT,
            "The organisation that the task belongs to, as KooDrive names it.",
            "d5ac574bd2934a69baa4f23c55daa8d4",
            (str,),
        ),
    ] = None
    user_id: Annotated[
        IdOrNumber | None,
        Declaration(
            Kind.TEXT, "The user that the task is about, as KooDrive names them.", "1395497048157130881", (str,)
        ),
    ] = None
    status: Annotated[
        WholeNumber,
        Declaration(
            Kind.NUMBER,
            "The task's status as a number; see dim_task_status.",
            3,
            (int,),
            frozenset(map(int, TaskStatus)),
            is_nullable=False,
        ),
    ]
    result_code: Annotated[
        TextOrNumber | None,
        Declaration(
            Kind.CODE,
            "The reason of the task's end; see dim_result_code. Null: KooDrive sent none.",
            "18000205",
            (str, NoneType),
        ),
    ] = None
    response_code: Annotated[
        TextOrNumber | None,
        Declaration(
            Kind.CODE,
            "The code of the response itself, beside the task's result code; 0 is success.",
            0,
            (int, str),
            is_content=False,
        ),
    ] = msgspec.field(default=None, name="code")
    response_message: Annotated[
        str | None, Declaration(Kind.TEXT, "The message of the response itself.", "success", (str,), is_content=False)
    ] = msgspec.field(default=None, name="msg")


CALCULATED = {
    "submitted_at": Declaration(
        Kind.TIME, "When the task was submitted, according to the source that submitted_at_source names."
    ),
    "submitted_at_source": Declaration(
        Kind.TEXT,
        "The source of submitted_at: queue (the pending table) or task_id (the time inside the ID).",
        is_nullable=False,
    ),
}
"""The columns that the job calculates, by name."""


def _declaration_of(field: msgspec.structs.FieldInfo) -> Declaration:
    return next(each for each in field.type.__metadata__ if isinstance(each, Declaration))


API_FIELDS = tuple(
    Field(name=field.name, api_name=field.encode_name, **asdict(_declaration_of(field)))
    for field in msgspec.structs.fields(TaskDetail)
)
"""The columns that the API sends, in the order of the tables."""

FIELDS = (
    *API_FIELDS,
    *(Field(name=name, api_name=None, **asdict(declaration)) for name, declaration in CALCULATED.items()),
)
"""Every column that describes a task: in a fact, and in the staging table before it."""

CONTENT = tuple(field.name for field in FIELDS if field.is_content)
"""The columns whose change makes a new version of a fact. The response's own code and message are not among them: the
API words the same response in several ways."""

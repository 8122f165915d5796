"""The tools that an assistant may call. All of them read, by the same code as the commands."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from msgspec import Meta, Struct

from etl.assistant.answers import DEFAULT_ROWS, Document, bounded, from_outside, table
from etl.assistant.arguments import ROWS, MaxRows, NoArguments, arguments_of, given
from etl.error_codes import Code
from etl.jobs.opening import open_warehouse
from etl.jobs.query import answer
from etl.report.contents import read_status
from etl.report.result_set import to_objects
from etl.resources import page_of
from etl.settings.load import Settings
from etl.tasks.failure_reasons import FailureReason, advice_on
from etl.warehouse.dictionary import describe_tables, describe_views
from etl.warehouse.read.dead_letters import Choice, open_letters
from etl.warehouse.read.questions import Question, questions


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool: what a client sees of it, and the function that answers."""

    name: str
    title: str
    description: str
    arguments: type[Struct]
    call: Callable[[Settings, Any], Document]
    """Makes the answer from the settings and the checked arguments."""


class DeadLetterArguments(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which dead letters to list."""

    reason: Annotated[FailureReason | None, Meta(description="Only those with this reason.")] = None
    task_id: Annotated[str | None, Meta(description="Only that of this task.")] = None
    max_rows: MaxRows = DEFAULT_ROWS


class ExplainArguments(Struct, kw_only=True, forbid_unknown_fields=True):
    """The error to explain."""

    code: Annotated[Code | None, Meta(description="The code, such as database-locked. Without it: list all.")] = None


class DictionaryArguments(Struct, kw_only=True, forbid_unknown_fields=True):
    """The table or view to describe."""

    name: Annotated[str | None, Meta(description="A table or view. Without it: list all, without columns.")] = None


def tools() -> dict[str, Tool]:
    """Return all tools, by name."""
    asked = (_query(question) for question in questions("common").values() if not question.reads_queue)
    return {tool.name: tool for tool in (*TOOLS, *asked)}


def _status(settings: Settings, _: NoArguments) -> Document:
    return bounded(dict(from_outside(read_status(settings))))


def _dead_letters(settings: Settings, arguments: DeadLetterArguments) -> Document:
    choice = Choice(
        reasons=(str(arguments.reason),) if arguments.reason else (),
        task_ids=(arguments.task_id,) if arguments.task_id else (),
    )
    with open_warehouse(settings.warehouse, read_only=True) as warehouse:
        letters = open_letters(warehouse.engine, choice, max_rows=arguments.max_rows + 1)
    rows = [asdict(each) | {"decision": each.decision, "remedy": advice_on(each.reason)} for each in letters]
    return table(rows, max_rows=arguments.max_rows)


def _explain(_: Settings, arguments: ExplainArguments) -> Document:
    if arguments.code:
        return {"page": page_of(arguments.code)}
    return {"codes": [{"code": code, "exit_code": int(code.exit_code), "meaning": code.sentence} for code in Code]}


def _dictionary(settings: Settings, arguments: DictionaryArguments) -> Document:
    with open_warehouse(settings.warehouse, read_only=True) as warehouse:
        relations = [*describe_tables(), *describe_views(warehouse.engine)]
    if arguments.name is None:
        return {"relations": [{"name": each.name, "kind": each.kind, "meaning": each.meaning} for each in relations]}
    return bounded({"relations": [asdict(each) for each in relations if each.name == arguments.name]})


def _query(question: Question) -> Tool:
    def ask(settings: Settings, arguments: Any) -> Document:
        max_rows = getattr(arguments, ROWS)
        result = answer(settings, question.name, given(question, arguments), max_rows=max_rows + 1)
        return table(to_objects(result), max_rows=max_rows)

    return Tool(
        name=f"query_{question.name}",
        title=question.name.replace("_", " ").capitalize(),
        description=question.sentence,
        arguments=arguments_of(question),
        call=ask,
    )


TOOLS = (
    Tool(
        name="status",
        title="Status",
        description="The backlog by state and age, open dead letters by reason, and the last runs.",
        arguments=NoArguments,
        call=_status,
    ),
    Tool(
        name="dead_letters",
        title="Dead letters",
        description="The open dead letters, which are tasks that could not be audited, each with its remedy.",
        arguments=DeadLetterArguments,
        call=_dead_letters,
    ),
    Tool(
        name="explain",
        title="Explain an error",
        description="What an error code of task-audit means, and what to do.",
        arguments=ExplainArguments,
        call=_explain,
    ),
    Tool(
        name="dictionary",
        title="Data dictionary",
        description="The tables and views of the warehouse, and the meaning of each column.",
        arguments=DictionaryArguments,
        call=_dictionary,
    ),
)

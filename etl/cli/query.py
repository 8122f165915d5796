"""`task-audit query`: answers the ready-made questions."""

from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches

import click

from etl.cli.context import Context, common_options, pass_context
from etl.cli.output import open_console, print_data, print_json
from etl.error_codes import Code
from etl.errors import InputError
from etl.jobs.parameters import ParameterError
from etl.jobs.query import answer, check_parameters
from etl.report.result_set import print_table, to_csv, to_objects
from etl.warehouse.read.questions import Parameter, Question, questions


@click.command()
@click.argument("name", required=False)
@click.option(
    "--param",
    "given",
    metavar="NAME=VALUE",
    multiple=True,
    help="A parameter of the question; may be repeated. A time is a date, an instant, 'last night' or '9h before now'.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "csv-excel", "json"]),
    default="table",
    show_default=True,
    help="A table to read, CSV for programs, CSV whose IDs and names Excel and LibreOffice keep, or a JSON list of "
    "objects.",
)
@click.option("--list", "only_list", is_flag=True, help="List the questions and their parameters.")
@common_options
@pass_context
def query(context: Context, *, name: str | None, given: tuple[str, ...], form: str, only_list: bool) -> None:
    """Ask the warehouse a ready-made question; without a name, list the questions.

    \b
    Example:
      task-audit query
      task-audit query last_nights_failures
      task-audit query as_of --param at=2026-11-03T12:00 --param task_id=1534087020903704704
      task-audit query stuck_tasks --param hours=48 --format csv-excel > stuck.csv
    """
    if name is None or only_list:
        _list()
        return
    # A wrong name or parameter is refused before the configuration is read.
    question, values = _question_named(name), _values(given)
    with _option_in_errors():
        check_parameters(question, values)
        result = answer(context.settings(), name, values)
    match form:
        case "csv" | "csv-excel":
            print_data(to_csv(result, for_excel=form == "csv-excel"))
        case "json":
            print_json(to_objects(result), indent=2)
        case _:
            print_table(result, console=open_console())
            if not result.rows:
                context.note("No rows.")


def _question_named(name: str) -> Question:
    known = questions("common")
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"Did you mean '{near[0]}'? " if near else ""
        raise InputError(
            f"There is no question '{name}'.",
            code=Code.QUESTION_UNKNOWN,
            remedy=f"{hint}`task-audit query` lists the questions.",
        )
    return known[name]


def _values(given: tuple[str, ...]) -> dict[str, str]:
    values: dict[str, str] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InputError(
                f"--param {pair} is no parameter.", code=Code.PARAMETER_WRONG, remedy="Write it as NAME=VALUE."
            )
        if name in values:
            raise InputError(f"--param {name} is given twice.", code=Code.PARAMETER_WRONG, remedy="Give it once.")
        values[name] = value
    return values


@contextmanager
def _option_in_errors() -> Iterator[None]:
    """Put the option before the name of the parameter."""
    try:
        yield
    except ParameterError as error:
        raise InputError(f"--param {error.message}", code=Code.PARAMETER_WRONG, remedy=error.remedy) from None


def _list() -> None:
    for question in questions("common").values():
        click.echo(_described(question))


def _described(question: Question) -> str:
    lines = [question.name, f"    {question.sentence}"]
    lines += [f"    --param {_usage(each)}  {each.meaning}" for each in question.parameters]
    return "\n".join(lines)


def _usage(parameter: Parameter) -> str:
    match parameter.default:
        case None:
            return f"{parameter.name}={parameter.kind.upper()} (needed)"
        case "":
            return f"{parameter.name}={parameter.kind.upper()} (optional)"
        case default:
            return f"{parameter.name}={parameter.kind.upper()} (default: {default})"

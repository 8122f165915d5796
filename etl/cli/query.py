"""`task-audit query`: answers the ready-made questions."""

import click

from etl.cli.context import Context, common_options, pass_context
from etl.cli.output import open_console, print_data, print_json
from etl.jobs.query import answer, check_parameters, question_named
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
    check_parameters(question_named(name), given)
    result = answer(context.settings(), name, given)
    match form:
        case "csv" | "csv-excel":
            print_data(to_csv(result, for_excel=form == "csv-excel"))
        case "json":
            print_json(to_objects(result), indent=2)
        case _:
            print_table(result, console=open_console())
            if not result.rows:
                context.note("No rows.")


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

"""The ready-made questions, with their parameters and their SQL."""

from docs.generate.markdown import table
from etl.warehouse.read.questions import Parameter, Question, questions

HEAD = """\
# Questions

Made from the code by `make reference`. `task-audit query NAME` asks one, `--param NAME=VALUE` sets a parameter, and
the statements are yours to paste: `:name` stands for the parameter. A time is a date, an instant (`2026-11-03T12:00`,
in UTC unless it names a zone) or a distance (`36h before now`); as an `end`, a date includes its whole day.
"""


def page() -> str:
    """Describe every question."""
    return HEAD + "".join(_section(question) for question in questions("common").values())


def _section(question: Question) -> str:
    rows = [_row(parameter) for parameter in question.parameters]
    parameters = f"\n{table(('parameter', 'kind', 'default', 'meaning'), rows)}" if rows else ""
    return f"\n## `{question.name}`\n\n{question.sentence}\n{parameters}\n```sql\n{question.statement.strip()}\n```\n"


def _row(parameter: Parameter) -> tuple[str, ...]:
    default = {None: "must be given", "": "none"}.get(parameter.default, f"`{parameter.default}`")
    return f"`{parameter.name}`", parameter.kind, default, parameter.meaning

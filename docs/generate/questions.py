"""Makes the page of the ready-made questions, with their parameters and their SQL."""

from docs.generate.markdown import table
from etl.warehouse.read.questions import Parameter, Question, questions

HEAD = """\
# Questions

`make reference` writes this page from the code. `task-audit query NAME` answers a question, and `--param NAME=VALUE`
sets a parameter. You may copy the statements, in which `:name` is a parameter. A time is a date, an instant
(`2026-11-03T12:00`), `last night` (18:00 to 18:00, that of the newest run) or a distance (`36h before now`), in the
zone of `warehouse.time_zone` unless it names another. An `end` that is a date includes the whole day.
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

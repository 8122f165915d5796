"""The events of the log, from ``etl.observe.events``."""

from docs.generate.markdown import table
from etl.observe.events import EVENTS

HEAD = """\
# Log events

Made from the code by `make reference`. Each line of the log on stderr is one event: for a person on a terminal, else
as JSON with `event`, `level`, `timestamp` and these fields. Every line of a run has its `run_id` besides. The names are
stable.

"""


def page() -> str:
    """Describe every event."""
    rows = (
        (f"`{name}`", ", ".join(f"`{field}`" for field in event.fields), event.meaning)
        for name, event in EVENTS.items()
    )
    return HEAD + table(("event", "fields", "meaning"), rows)

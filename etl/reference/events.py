"""The events of the log, from ``etl.events``."""

from etl.events import EVENTS
from etl.reference.markdown import table

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

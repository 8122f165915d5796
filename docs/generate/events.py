"""Makes the page of the log events from ``etl.observe.events``."""

from docs.generate.markdown import table
from etl.observe.events import EVENTS

HEAD = """\
# Log events

`make reference` writes this page from the code. Each line of the log on stderr is one event: readable text on a
terminal, otherwise JSON with `event`, `level`, `timestamp` and the fields below. Every line of a run also has its
`run_id`. The names of events and fields are stable.

"""


def page() -> str:
    """Describe every event."""
    rows = (
        (f"`{name}`", ", ".join(f"`{field}`" for field in event.fields), event.meaning)
        for name, event in EVENTS.items()
    )
    return HEAD + table(("event", "fields", "meaning"), rows)

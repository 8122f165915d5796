"""The limits of what the warehouse holds."""

from etl.tasks.detail import MAX_CODE_CHARACTERS

MAX_KEY_CHARACTERS = MAX_CODE_CHARACTERS
"""The length of a code, and of a dead letter's task ID, which may be any text of the pending table, at most."""

MAX_WORDS_CHARACTERS = 2_000
"""The length of an error's or a message's text, at most."""

MAX_RUN_ID_CHARACTERS = 100
"""The length of a run's ID, at most. A UUID has 36 characters."""

MAX_COUNTER_CHARACTERS = 50
"""The length of a counter's or a message's kind, at most."""

MAX_DIMENSION_ROWS = 10_000
"""The rows of a dimension, at most. KooDrive has a few types and statuses, and hundreds of result codes."""

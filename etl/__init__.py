"""task-audit: which KooDrive tasks ran, how did each end, when did we learn it, and what is stuck?

A row of rooms. Data walks through them in one direction; each room has one door in and one door out::

    source ──PendingTask──▶ fetch ──Observation | FetchFailure──▶ normalize ──fact rows──▶ warehouse
      ▲ claim               (HTTP, async)                        (polars, pure)        (one transaction)
      └──────────────────────────────────── acknowledge ───────────────────────────────────────┘

``pipeline.py`` is the corridor and reads aloud; ``koodrive`` knows the API and is handed to ``fetch`` as a value; the
rooms of the corridor never import each other.
"""

__version__ = "0.1.0"

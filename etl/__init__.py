"""task-audit: which KooDrive tasks ran, how did each end, when was it observed, and what is stuck?

Data flows in one direction through components that have one entry and one result each::

    source ──PendingTask──▶ fetch ──Observation | FetchFailure──▶ normalize ──fact rows──▶ warehouse
      ▲ claim               (HTTP, async)                        (pure)                (one transaction)
      └──────────────────────────────────── acknowledge ───────────────────────────────────────┘

``run/pipeline.py`` connects them. ``koodrive`` knows the API, and ``fetch`` receives it as a function. The components
never import each other; docs/architecture.md describes all layers.
"""

__version__ = "1.0.0"
